"""Questions in plain English: `ask` and `chat`, their planners, plans, events and what they ask the person."""
