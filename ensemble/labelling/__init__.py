"""Labelling at scale: prompts of a file or of the log, answered by a whole panel, judged, and never paid for twice."""
