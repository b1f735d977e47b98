"""What nlapi does on public sets, beside others, with their own scorers where they have one.

`python -m benchmarks.public --data DIR` (or `make public`) runs every chapter that can be run here and writes
docs/measured.md with its pictures. A chapter alone: `python -m benchmarks.public.search --data DIR`.
"""
