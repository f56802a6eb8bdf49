"""The set-up dock: what to run, on what, at which costs."""
