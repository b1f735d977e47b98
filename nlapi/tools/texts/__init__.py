"""The names and the plain texts of tools, and which texts read like instructions to a model."""
