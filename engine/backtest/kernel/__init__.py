"""The compiled simulator: a kernel for plain terms, and a state machine for orders, margin and funding."""
