"""The wire formats of the field: how benchmarks' judges write a verdict, each read strictly or robustly.

Strict is how the benchmark itself reads the text, faults included, so that its published numbers come out. Robust is
how we read it: the last label that is meant as final, nothing where labels contradict each other, never a guess.
"""
