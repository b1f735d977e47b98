"""Decides which version serves a request, from its context. Pure: no HTTP, no OpenAPI, no clock, no files."""
# Empty on purpose: the gateway imports only the parts that it needs.
