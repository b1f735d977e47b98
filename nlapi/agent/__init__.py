"""The agent: from a question to a stream of events."""
