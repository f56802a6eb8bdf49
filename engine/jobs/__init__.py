"""What a worker does, one module per kind of job; the pool that does it here, and what a Dask worker is sent and opens."""
