"""The operations of specs/gateway.yaml: a function for each operationId, with its name in snake case."""
