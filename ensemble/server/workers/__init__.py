"""Several processes that serve one address and one log: `ensemble serve --workers N`."""
