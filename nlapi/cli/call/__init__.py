"""Calls that are named: `call` and `batch`, their arguments, and how an answer is printed."""
