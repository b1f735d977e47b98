"""HTTP requests built from operations, sent, and read back as results."""
