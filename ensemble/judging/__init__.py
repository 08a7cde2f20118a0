"""Judges under examination: what the log says of them, how they do on labelled cases, how certain they may be."""
