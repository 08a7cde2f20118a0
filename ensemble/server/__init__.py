"""The HTTP server, thin over ``ensemble.service``."""
