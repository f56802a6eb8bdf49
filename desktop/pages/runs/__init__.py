"""Every run, and what is done with runs."""
