"""Tries nlapi on each Python that it supports: `python -m benchmarks.pythons`, which fails for what breaks and not for
an interpreter that cannot be had.

On each: every module is imported, the quick tests run, and `nlapi demo` does. The environments stay in .venvs/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venvs"
LOCK = ROOT / "requirements-dev.lock"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
EXTRAS = ".[claude,gateway,envoy,mcp,postgres]"
QUICK = ("tests/openapi", "tests/routing", "tests/client")

FETCH_S = 60
"""Seconds to fetch uv, and again to fetch an interpreter with it."""

STEP_S = 300
"""Seconds for one step on one interpreter."""

IMPORTS = """
import importlib, pkgutil, nlapi
names = [module.name for module in pkgutil.walk_packages(nlapi.__path__, "nlapi.")]
for name in names:
    importlib.import_module(name)
print(len(names), "modules")
"""


class StepError(Exception):
    """A step ended with another code than 0, or not in time; the text is the end of what it printed."""


def run(command: list[str], limit_s: float, **environment: str) -> str:
    """The output of a command, both streams together. StepError."""
    # A key would let Claude plan in the demo, and settings of the user's would be read.
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "NLAPI_"))}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": ROOT}
    try:
        done = subprocess.run(command, timeout=limit_s, env={**settings, **environment}, check=False, **options)
    except subprocess.TimeoutExpired:
        raise StepError(f"{' '.join(command[:4])} did not end within {limit_s} s") from None
    except OSError as error:
        raise StepError(str(error)) from None
    if done.returncode:
        raise StepError("\n".join(done.stdout.strip().splitlines()[-30:]))
    return str(done.stdout)


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


def environment(version: str, python: str) -> Path:
    """The folder of an environment with nlapi, its extras but the models, and the quick tests' packages. StepError."""
    folder = FOLDER / version
    stamp = folder / ".done"
    newest = max((ROOT / "pyproject.toml").stat().st_mtime, LOCK.stat().st_mtime)
    if not stamp.exists() or stamp.stat().st_mtime < newest:
        run([python, "-m", "venv", "--clear", str(folder)], STEP_S)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--upgrade", "pip>=25.1"], STEP_S)
        run([*pip, "--constraint", str(LOCK), "--editable", EXTRAS, "--group", "quick"], STEP_S)
        stamp.touch()
    return folder


def check(version: str, python: str) -> str:
    """What was tried on an interpreter. StepError."""
    bin = environment(version, python) / "bin"
    modules = run([str(bin / "python"), "-W", "error::SyntaxWarning", "-c", IMPORTS], STEP_S).strip().splitlines()[-1]
    # The cache of the last failures is that of make test, which runs them first.
    tests = run([str(bin / "python"), "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", *QUICK], STEP_S)
    run([str(bin / "nlapi"), "demo"], STEP_S)
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
            print(f"left out: python{version}, as none is here and none can be fetched: {_reason(error)}", flush=True)
            continue
        try:
            print(f"ok   python{version}: {check(version, python)} ({time.monotonic() - begin:.0f} s)", flush=True)
        except StepError as error:
            failed += 1
            print(f"FAIL python{version}\n{error}", flush=True)
    return 1 if failed else 0


def _reason(error: StepError) -> str:
    # The first lines name a long URL; the last one says what went wrong.
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:200] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
