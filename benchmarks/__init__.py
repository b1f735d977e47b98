"""What nlapi costs, measured: `python -m benchmarks` runs all and writes benchmarks/RESULTS.md."""
