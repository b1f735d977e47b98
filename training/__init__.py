"""What the embedded planner and the index are trained on, and the code that trains them (README.md)."""
