"""`nlapi console`: pages on this machine to ask, to answer what waits, and to read the log."""
