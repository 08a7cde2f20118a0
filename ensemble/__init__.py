"""One question to several models, the best answer back, everything logged."""
