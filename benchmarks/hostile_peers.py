"""The shared hostile cases for nlapi, fastmcp and mcpify in one run: `python -m benchmarks.hostile_peers [--write]`.

The cases are those of ../shared/cases/hostile (groups A to D): broken and hostile descriptions, arguments and servers.
The
two others (PyPI `fastmcp`, `mcpify-openapi`) get an environment of their own, or the Python that `--python` names.
`--write` puts the table into benchmarks/HOSTILE.md. Exits with 1 where nlapi fails a case.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.descriptions import shared
from benchmarks.environments import environment

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "HOSTILE.md"
PACKAGES = ("fastmcp", "mcpify-openapi")
GROUPS = {"A": "broken descriptions", "B": "hostile descriptions", "C": "hostile arguments", "D": "hostile servers"}


def run_cases(options: list[str], only: str) -> list[dict[str, Any]]:
    """Return the verdict on each case."""
    script = shared("cases/hostile/run_cases.py")
    assert script is not None
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.json"
        command = [sys.executable, str(script), "--only", only, "--out", str(out), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=script.parent)
        rows: list[dict[str, Any]] = json.loads(out.read_text())
    return rows


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return the cases that each passes, by group, as Markdown."""
    lines = ["| cases | " + " | ".join(results) + " |", "| --- |" + " --- |" * len(results)]
    for group, title in {**GROUPS, "": "all"}.items():
        cells = []
        for rows in results.values():
            chosen = [row for row in rows if row["id"].startswith(group) and row["verdict"] != "n/a"]
            cells.append(f"{sum(row['verdict'] == 'pass' for row in chosen)} of {len(chosen)}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def failures(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return the threats of the cases that each fails, the most frequent first."""
    lines = []
    for name, rows in results.items():
        counts = Counter(row["threat"] for row in rows if row["verdict"] == "fail")
        text = ", ".join(f"{threat} {count}" for threat, count in counts.most_common()) or "none"
        lines.append(f"- {name}: {text}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile_peers")
    parser.add_argument("--python", type=Path, help="a Python with fastmcp and mcpify-openapi")
    parser.add_argument("--only", default="A,B,C,D", help="groups or cases, as of run_cases.py")
    parser.add_argument("--write", action="store_true", help="write benchmarks/HOSTILE.md")
    options = parser.parse_args()
    if shared("cases/hostile/run_cases.py") is None:
        print("left out: the shared cases are not beside the checkout")
        return 0
    python = str(options.python or environment("hostile-peers", *PACKAGES, "jsonschema"))
    probes = ROOT / "tests" / "hostile"
    adapters = {
        "nlapi": ["--adapter", "cmd", "--cmd", f"{sys.executable} {probes / 'probe.py'}"],
        "fastmcp": ["--adapter", "fastmcp", "--python", python],
        "mcpify": ["--adapter", "cmd", "--cmd", f"{python} {probes / 'mcpify_probe.py'}"],
    }
    results = {name: run_cases(words, options.only) for name, words in adapters.items()}
    text = f"{table(results)}\n\nThreats of the cases that fail:\n\n{failures(results)}\n"
    print(text)
    if options.write:
        head = (
            "# Hostile descriptions, arguments and servers\n\n`python -m benchmarks.hostile_peers --write`, in one run."
        )
        note = "fastmcp takes a parsed description, so that cases of bytes are none of its."
        TABLE.write_text(f"{head} {note}\n\n{text}")
    return int(any(row["verdict"] == "fail" for row in results["nlapi"]))


if __name__ == "__main__":
    sys.exit(main())
