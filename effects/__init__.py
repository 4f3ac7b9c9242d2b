"""What can be asked of the world, as plain data; the ports; how one order is carried out."""
