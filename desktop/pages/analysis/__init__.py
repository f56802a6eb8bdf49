"""What the trades, the account and the market say of the current run."""
