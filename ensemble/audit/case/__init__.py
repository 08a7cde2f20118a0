"""One request as figures: conversation, candidates, judge calls, ledger, provenance. Pure functions of its record."""
