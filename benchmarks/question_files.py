"""Counts the files of nlapi that one question runs through, from the command line to the answer and back.

usage: python -m benchmarks.question_files [--list] [QUESTION]

The question is asked of a sandbox of the bundled `ads` API by the embedded planner, through `nlapi ask` in this
process. A file counts when one of its functions runs; what Python runs to import a module does not.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

import nlapi
from nlapi.sandbox import running

QUESTION = "pause the campaign Summer Sale"
PACKAGE = Path(nlapi.__file__).parent


def files_of(question: str, source: str, base_url: str) -> Counter[str]:
    """Return the files of nlapi in which functions ran for a question, with the number of calls."""
    from nlapi.cli.main import main

    calls: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(str(PACKAGE)) and (file in calls or not _is_import(frame)):
            calls[file] += 1

    options = ["--base-url", base_url, "--planner", "offline", "--auth", "bearer=env:SANDBOX_TOKEN", "--yes"]
    arguments = ["nlapi", "ask", question, "-a", source, *options]
    earlier, sys.argv = sys.argv, arguments
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            main()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        sys.argv = earlier
    return Counter({Path(file).relative_to(PACKAGE).as_posix(): count for file, count in calls.items()})


def _is_import(frame: FrameType | None) -> bool:
    """Return whether a frame belongs to the body of a module of nlapi, which runs when the module is imported."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "<module>" and code.co_filename.startswith(str(PACKAGE)):
            return True
        frame = frame.f_back
    return False


def main() -> None:
    """Print the number of files, and each of them with --list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--list", action="store_true", help="print each file with the number of calls in it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(nlapi.load("ads")) as sandbox:
        os.environ |= {
            "NLAPI_CONFIG_DIR": folder,
            "XDG_STATE_HOME": folder,
            "XDG_CACHE_HOME": folder,
            "SANDBOX_TOKEN": "any",
        }
        calls = files_of(options.question, "ads", sandbox.url)
    packages = Counter(file.rpartition("/")[0].partition("/")[0] or "nlapi" for file in calls)
    print(f"{len(calls)} files: {', '.join(f'{name} {count}' for name, count in packages.most_common())}")
    if options.list:
        for file, count in sorted(calls.items()):
            print(f"{count:8,} {file}")


if __name__ == "__main__":
    main()
