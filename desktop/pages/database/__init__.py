"""Which PostgreSQL the program uses."""
