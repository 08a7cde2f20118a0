"""The shapes of what the routes answer with, for their description; what makes them is in ``dialects`` and beside.

A test holds them against what the running server says, so a key that is new there and not here is found.
"""
