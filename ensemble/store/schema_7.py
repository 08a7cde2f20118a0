"""Step 7 of the schema: full-text search over prompts and answers. Never edited once released.

The two indexes hold no texts (``content=''``): their row numbers are those of ``requests`` and ``candidates``, and what
is taken out of these is taken out of them with the text that it had. They are filled behind the writer's back, up to
the rows that ``search_progress`` names, so that storing a request costs no more than before.
"""

TABLES = """
CREATE VIRTUAL TABLE search_requests USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE search_candidates USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2');
CREATE TABLE search_progress ( -- How far the search indexes have come.
    source TEXT PRIMARY KEY NOT NULL, -- requests or candidates
    last INTEGER NOT NULL -- row number up to which every row is in its index
) STRICT, WITHOUT ROWID;
INSERT INTO search_progress (source, last) VALUES ('requests', 0), ('candidates', 0);
"""
