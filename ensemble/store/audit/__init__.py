"""What the audit pages ask of the log: the only SELECTs behind them."""
