"""The pages of a gateway: its objectives and canaries, decisions, revisions and costs, read through its own API."""
