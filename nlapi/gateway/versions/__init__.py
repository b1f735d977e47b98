"""Versions of models: their content by digest, where it is from, and the workflow that it is loaded as."""
