"""Answers that come piece by piece: which they are, how their bodies divide into items, and how they end."""
