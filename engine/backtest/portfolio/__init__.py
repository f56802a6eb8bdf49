"""Many legs on one wallet: what goes in and comes out, the compiled simulator, and the referee of the same rules."""
