"""Finds operations by words, and groups them."""
