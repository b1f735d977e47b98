"""Plain English against real servers that nobody here wrote: `python -m benchmarks.servers`."""
