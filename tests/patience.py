"""How long a test waits for what must come, which says nothing of how fast it is.

Such a wait ends what would hang otherwise, and names it. It has to be long enough for a machine that is several times
slower than usual, and shorter than pytest's ``timeout``, which ends whole tests and leaves their tasks behind. Where a
time is what is tested, it stands in the test.
"""

PATIENCE_S = 100.0
