"""Mentions and the slots of one operation in, the values of its arguments out."""
