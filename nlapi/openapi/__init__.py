"""Fetches, reads and parses an OpenAPI description to a Spec."""
# Empty on purpose: `import nlapi` must not import a parser.
