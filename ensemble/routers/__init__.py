"""Routers, one file per strategy."""
