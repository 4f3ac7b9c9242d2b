"""Pure: what is true, what is lawful, what to do next."""
