"""The panes of the window: each only listens to the workspace and emits what the user asks for."""
