"""Sentences about APIs that nothing else of the project names, to measure the embedded planner honestly."""
