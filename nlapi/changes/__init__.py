"""Decides whether a change is exactly as the user commanded: verbs, objects, values and where each value is from."""
