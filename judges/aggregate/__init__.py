"""Pure functions over ballots."""
