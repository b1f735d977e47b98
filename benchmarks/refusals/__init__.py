"""Requests that a server refuses at first, and what its answer teaches."""
