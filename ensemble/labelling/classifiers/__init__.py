"""Classifiers that name the domain of a prompt, one file each."""
