"""Streaming answers: recognised by evidence, divided into items, and read until a limit."""
