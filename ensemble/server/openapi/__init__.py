"""The description of every route, as OpenAPI 3.1: ``operations`` is the table, ``document`` makes it whole."""
