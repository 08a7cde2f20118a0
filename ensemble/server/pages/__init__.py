"""The audit pages under ``/ui``: rendered on the server, for people; ``app.make_pages`` puts them together.

A page is one module of this folder, which is found by being there: it adds a ``Page`` to ``registry.PAGES``, or has a
table of ``routes`` (``aiohttp.web.RouteTableDef``, paths without ``/ui``), or both.
"""
