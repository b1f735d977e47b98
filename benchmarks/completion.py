"""What a key press costs: completion of an operation of GitHub's description (1,223), of its arguments, of a name."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.descriptions import github
from benchmarks.measure import Figure, cost, nlapi

LINES = {
    "an operation of GitHub's": "call {file} repos/list-for-us",
    "an argument of it": "call {file} repos/list-for-user so",
    "the name of an API": "call gi",
}


def measure(description: Path | None = None) -> list[Figure]:
    file = github(description)
    if file is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        home = [f"NLAPI_{kind}_DIR={folder}" for kind in ("CONFIG", "CACHE", "STATE")]
        # The first completion of each reads the description and stores what the next ones need.
        cost(["env", *home, nlapi(), "describe", str(file), "repos/list-for-user"], runs=1)
        figures = []
        for name, line in LINES.items():
            words = ["nlapi", *line.format(file=file).split()]
            asked = ["_NLAPI_COMPLETE=complete_bash", "COMP_WORDS=" + "\n".join(words), f"COMP_CWORD={len(words) - 1}"]
            cost(["env", *home, *asked, nlapi()], runs=1)
            spent = cost(["env", *home, *asked, nlapi()], runs=7)
            figures.append(Figure(name=f"completion of {name}, CPU", value=spent.cpu * 1000, unit="ms", limit=150))
    return figures


if __name__ == "__main__":
    from benchmarks.__main__ import line as text

    for figure in measure():
        print(text(figure))
