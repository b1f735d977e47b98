"""Calls of versions on other servers: replicas, protocols, bulkheads, breakers and credentials."""
