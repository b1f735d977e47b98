"""The size of the core install: packages and MiB in a fresh environment, in which the main commands have to work.

python -m benchmarks.install
python -m benchmarks.install --python python3.13 --each     # with another interpreter; the size of each package too
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.__main__ import line
from benchmarks.measure import Figure

ROOT = Path(__file__).parent.parent
MIB = 2**20
LIMIT, COMPILED_LIMIT = 45.0, 72.0
"""MiB that the core may be, as uv leaves it, and with the modules that pip compiles."""

COMMANDS = (
    ("--help",),
    ("tools", "ads"),
    ("check", "ads"),
    ("call", "ads", "getCampaign", "campaign_id=cmp_7h2k9q4m", "--dry-run", "-o", "json"),
    ("ask", "list the campaigns", "-a", "ads", "--dry-run"),
    ("plugin", "build", "ads", "-o", "plugin"),
    ("demo",),
)
"""Commands that have to end with 0 without any extra."""


@contextmanager
def core_install(python: str, package: Path = ROOT) -> Iterator[Path]:
    """The folder of a fresh environment with the core alone, without pip and setuptools; removed at the end.

    `package` is the checkout or a wheel of it.
    """
    with tempfile.TemporaryDirectory(prefix="nlapi-install-") as name:
        folder = Path(name)
        subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(folder), "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", str(package)], check=True)
        yield folder


def sizes(folder: Path) -> Mapping[str, int]:
    """Bytes of each entry of site-packages, the largest first."""
    (site,) = folder.glob("lib/python*/site-packages")
    # Sizes of files, not of blocks on a disk: `du` counts a quarter more, as most modules are smaller than a block.
    total: Counter[str] = Counter()
    for file in site.rglob("*"):
        if file.is_file():
            total[file.relative_to(site).parts[0]] += file.stat().st_size
    return dict(total.most_common())


def failures(folder: Path) -> list[str]:
    """The commands that did not end with 0, each with the last line that it wrote."""
    # Neither the user's settings nor a key: the embedded planner plans, as it does for whoever tries nlapi first.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "NLAPI_"))}
    environment |= {"HOME": str(folder), "NLAPI_CONFIG_DIR": str(folder / "settings")}
    environment.pop("PYTHONPATH", None)
    failed = []
    for words in COMMANDS:
        command = [str(folder / "bin" / "nlapi"), *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
        if done.returncode:
            failed.append(f"nlapi {' '.join(words)}: {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.install", description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environment")
    parser.add_argument("--each", action="store_true", help="print the size of each entry of site-packages")
    options = parser.parse_args()
    with core_install(options.python) as folder:
        entries = sizes(folder)
        packages = sum(name.endswith(".dist-info") for name in entries)
        compiled = sum(file.stat().st_size for file in folder.glob("lib/**/*.pyc"))
        failed = failures(folder)
    total = sum(entries.values())
    figures = [
        Figure(name="core install, packages besides nlapi", value=packages - 1, unit="packages"),
        Figure(name="core install", value=total / MIB, unit="MiB", limit=COMPILED_LIMIT),
        Figure(name="core install without compiled modules", value=(total - compiled) / MIB, unit="MiB", limit=LIMIT),
        Figure(name="commands that fail in it", value=len(failed), unit=f"of {len(COMMANDS)}", limit=0),
    ]
    for name, size in entries.items() if options.each else ():
        print(f"{size / MIB:6.2f} MiB {name}")
    for text in [*map(line, figures), *failed]:
        print(text)
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
