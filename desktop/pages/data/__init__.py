"""What the database holds, and what is done with it."""
