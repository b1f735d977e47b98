"""The constant tools for the agents of other programs, and the plans that these hand over."""
