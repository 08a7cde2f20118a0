"""Stored candidates judged again: beside the old findings, or against frozen ones on a schedule."""
