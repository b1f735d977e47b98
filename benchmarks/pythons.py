"""Tries nlapi on each Python that it supports: `python -m benchmarks.pythons`, which fails for what breaks and not for
an interpreter that cannot be had.

On each: every module is imported, the quick tests run, and `nlapi demo` does. The environments stay in .venvs/.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from benchmarks.environments import FOLDER, ROOT, StepError, environment, run

LOCK = ROOT / "requirements-dev.lock"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
EXTRAS = ".[claude,gateway,envoy,mcp,postgres]"
QUICK = ("tests/openapi", "tests/routing", "tests/client")

FETCH_S = 60
"""Seconds to fetch uv, and again to fetch an interpreter with it."""

IMPORTS = """
import importlib, pkgutil, nlapi
names = [module.name for module in pkgutil.walk_packages(nlapi.__path__, "nlapi.")]
for name in names:
    importlib.import_module(name)
print(len(names), "modules")
"""


def interpreter(version: str) -> str:
    """The path of python3.x: from PATH, from pyenv, or fetched with uv. StepError says why there is none."""
    on_path = shutil.which(f"python{version}")
    # A shim of pyenv is on PATH for each version that some project uses, and runs only in that project.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [*([on_path] if on_path else []), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python{version}")))]
    for candidate in candidates:
        try:
            run([candidate, "-c", f"import sys, venv, ensurepip; assert sys.version.startswith('{version}.')"], FETCH_S)
        except StepError:
            continue
        return candidate
    return _fetch(version)


def _fetch(version: str) -> str:
    uv = shutil.which("uv") or str(FOLDER / "uv" / "bin" / "uv")
    if not Path(uv).exists():
        run([sys.executable, "-m", "venv", str(FOLDER / "uv")], FETCH_S)
        run([str(FOLDER / "uv" / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "uv"], FETCH_S)
    # One try: where the host of the interpreters is not reached, it is not reached a second later either.
    place = {"UV_PYTHON_INSTALL_DIR": str(FOLDER / "pythons"), "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "20"}
    run([uv, "python", "install", "--no-bin", version], FETCH_S, **place)
    return run([uv, "python", "find", version], FETCH_S, **place).strip()


def check(version: str, python: str) -> str:
    """What was tried on an interpreter. StepError."""
    requirements = ["--constraint", str(LOCK), "--editable", EXTRAS, "--group", "quick"]
    bin = environment(version, *requirements, python=python, inputs=[ROOT / "pyproject.toml", LOCK]).parent
    modules = run([str(bin / "python"), "-W", "error::SyntaxWarning", "-c", IMPORTS]).strip().splitlines()[-1]
    # The cache of the last failures is that of make test, which runs them first.
    tests = run([str(bin / "python"), "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", *QUICK])
    run([str(bin / "nlapi"), "demo"])
    return f"{modules}, {tests.strip().splitlines()[-1].strip('= ')}, demo"


def main() -> int:
    failed = 0
    for version in VERSIONS:
        if sys.version.startswith(f"{version}."):
            print(f"python{version} is the one of make test", flush=True)
            continue
        begin = time.monotonic()
        try:
            python = interpreter(version)
        except StepError as error:
            print(f"left out: python{version}, as none is here and none can be fetched: {error.reason}", flush=True)
            continue
        try:
            print(f"ok   python{version}: {check(version, python)} ({time.monotonic() - begin:.0f} s)", flush=True)
        except StepError as error:
            failed += 1
            print(f"FAIL python{version}\n{error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
