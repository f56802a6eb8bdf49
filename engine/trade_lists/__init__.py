"""Trade lists of other programs: read, brought to round trips, aligned with a run's trades, each difference named."""
