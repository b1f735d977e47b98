"""Known faults of the installed packages, and credentials in tracked files: `python -m benchmarks.security_audit`.

pip-audit gets an environment of its own in the cache and asks the advisories of PyPI; offline it is left out, with the
reason. Exits with 1 where a package has a known fault, or a tracked file something that looks like a credential.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.environments import StepError, environment
from nlapi.plugin.secret_scan import SECRET_PATTERNS

ROOT = Path(__file__).resolve().parents[1]
# Tests, recorded descriptions and examples have made-up credentials, to see that they are masked.
_KEY_BODY = re.compile(r"[^A-Za-z0-9+/]{0,12}[A-Za-z0-9+/=\s]{40}")
EXEMPT = ("tests/", "specs/", "benchmarks/", "plugins/", "docs/", "examples/")


def audit_packages() -> int:
    """Print the known faults of the packages; 1 where there is one, 0 without, and where it cannot be told."""
    try:
        python = environment("pip-audit", "pip-audit")
    except StepError as error:
        print(f"left out: pip-audit cannot be installed: {error.reason}")
        return 0
    lock = ROOT / "requirements-dev.lock"
    command = [
        str(python.with_name("pip-audit")),
        "--disable-pip",
        "--no-deps",
        "-r",
        str(lock),
        "--progress-spinner=off",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    output = f"{ran.stdout}\n{ran.stderr}".strip()
    if ran.returncode and "known vulnerabilit" not in output:
        print(f"left out: pip-audit reaches no advisories: {output.splitlines()[-1][:200]}")
        return 0
    # A mirror of PyPI may have the packages and not the advisories.
    skipped = output.count("could not be audited")
    print("\n".join(line for line in output.splitlines() if "could not be audited" not in line))
    if skipped:
        print(f"left out: {skipped} packages, of which the index has no advisories")
    return int(bool(ran.returncode))


def scan_secrets() -> int:
    """Print what looks like a credential in the tracked files; 1 where there is any."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [path for path in listed.decode().split("\0") if path and not path.startswith(EXEMPT)]
    count = 0
    for path in paths:
        file = ROOT / path
        if not file.is_file():
            continue
        text = file.read_bytes().decode("utf-8", "replace")
        for kind, pattern in SECRET_PATTERNS.items():
            match = pattern.search(text)
            # Code that looks for the head of a key has no key behind it.
            if match and not (match[0].startswith("-----BEGIN") and not _KEY_BODY.match(text, match.end())):
                count += 1
                print(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: has {kind} in it")
    print(f"{len(paths)} tracked files, {count} with what looks like a credential")
    return int(bool(count))


def main() -> int:
    return max(audit_packages(), scan_secrets())


if __name__ == "__main__":
    sys.exit(main())
