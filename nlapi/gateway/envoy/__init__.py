"""Envoy as the data plane: its configuration from a revision, the ADS server, and the process."""
