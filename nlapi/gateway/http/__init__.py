"""The gateway over HTTP: requests guarded and checked against the description, under limits."""
