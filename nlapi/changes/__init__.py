"""Decides whether a change is exactly what the user commanded: verbs, objects, values and where each value is from."""
