"""Logins: credentials that the user stored once, tokens that are renewed, and the servers that each is for."""
