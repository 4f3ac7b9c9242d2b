"""lockgate: container lifecycles as a pure state machine."""
