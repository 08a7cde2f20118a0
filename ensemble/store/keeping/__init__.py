"""Keeping the log: looking into it, holding it against the outside, backing it up, taking texts out of it again."""
