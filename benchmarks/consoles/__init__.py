"""The pages of `nlapi console` and of a gateway, in a real browser."""
