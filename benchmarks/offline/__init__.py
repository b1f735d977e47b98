"""Measures the embedded planner and the index on sentences; training/ trains them."""
