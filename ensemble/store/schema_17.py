"""Step 17 of the schema: two indexes that each commit paid for and hardly anybody read. Never edited once released.

They were a quarter of the pages of a lone request's commit. Who asks for the latest calls of a member reads the newest
rows instead, and who asks for those of a day reads the table.
"""

INDEXES = """
DROP INDEX calls_member;
DROP INDEX candidates_member;
"""
