"""The HTTP server: the engine for programs on this machine, with the JSON of the command line."""
