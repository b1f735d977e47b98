"""A goal in, the plans that lead to it out: look-ups, references, several intents."""
