"""Fetches, reads and parses an OpenAPI description to a Spec."""
