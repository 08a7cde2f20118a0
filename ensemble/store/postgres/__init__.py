"""The engine that keeps the log in a schema of a PostgreSQL database (asyncpg, extra ``postgres``)."""
