"""Bulk labelling on Ray: labellers on many machines, one keeper of the log among them."""
