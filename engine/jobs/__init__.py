"""What a worker runs: one module per kind of job."""
