"""The serving gateway: routing in front of model workflows, operated over HTTP as specs/gateway.yaml describes."""
