"""Step 14 of the schema: idempotency keys of feedback are those of an API key. Never edited once released."""

INDEX = """
DROP INDEX feedback_once;
CREATE UNIQUE INDEX feedback_once ON feedback (coalesce(key_id, ''), given_by, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
"""
