"""What nlapi costs, measured: `python -m benchmarks` runs all and writes benchmarks/RESULTS.md."""

import os

# Read when grpc is imported: with it, a child that a process with an Envoy forks (initdb) ends by a segmentation fault.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
