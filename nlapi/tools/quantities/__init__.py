"""Amounts, units and moments between how people say them and how the wire has them."""
