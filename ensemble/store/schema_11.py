"""Step 11 of the schema: answers are found by the hash of what was asked. Never edited once released."""

INDEX = "CREATE INDEX calls_key ON calls (key, sample) WHERE key IS NOT NULL;\n"
