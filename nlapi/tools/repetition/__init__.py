"""What was sent before: whether a change or a read only repeats it."""
