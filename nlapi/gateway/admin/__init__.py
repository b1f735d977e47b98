"""The operations of specs/gateway.yaml, one function for each operationId."""
