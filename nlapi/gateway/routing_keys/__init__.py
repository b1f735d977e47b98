"""Routing keys: signed tokens that admit a client's request to the data plane and say where it goes."""
