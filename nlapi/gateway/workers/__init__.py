"""The processes in which the code of local versions runs, and the boundary around them."""
