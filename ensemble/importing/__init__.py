"""Outputs and scores that people already have, taken into the log and marked as imported."""
