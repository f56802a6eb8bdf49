"""Is it luck? Plain functions over daily returns, trades and trials: numpy in, figures out; no run, no sweep."""
