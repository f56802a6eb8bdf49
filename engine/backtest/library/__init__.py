"""backtesting.py behind our account: the reference engine, and strategies written for the library."""
