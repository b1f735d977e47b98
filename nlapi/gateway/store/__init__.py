"""What outlives the process: revisions, tokens, audit and decisions, in SQLite or PostgreSQL."""
