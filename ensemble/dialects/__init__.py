"""Wire formats of clients, one file each."""
