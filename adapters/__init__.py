"""The world: runtimes, monitor, storage, filesystem, network, locks, store; the simulated host."""
