"""The engine in threads, and one tracker of its jobs."""
