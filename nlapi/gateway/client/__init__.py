"""The clients of a gateway: they cache decisions, and send payloads straight to where they are served."""
