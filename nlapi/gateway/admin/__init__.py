"""The operations of specs/gateway.yaml, one function each, by operationId."""
