"""Runs examples on frameworks that the environment of the tests cannot have: `python -m benchmarks.agent_frameworks`.

google-adk 2.13 needs google-genai 2, and the tests have 3. Each framework has an environment of its own, which stays in
.venvs/. One that cannot be installed is left out, with the reason; an example that fails is an error.
"""

from __future__ import annotations

import sys

from benchmarks.pythons import FOLDER, STEP_S, StepError, run

FRAMEWORKS = {
    "google-adk": ("google.adk", "google_adk.py"),
    "pydantic-ai-slim[anthropic]": ("pydantic_ai", "pydantic_agent.py"),
    "smolagents[openai]": ("smolagents", "smolagents_agent.py"),
}
"""The package -> the module that it brings, and the example that needs it."""


def install(package: str) -> str:
    """The interpreter of an environment with a framework, nlapi and the packages of the tests. StepError."""
    folder = FOLDER / package.partition("[")[0]
    python = str(folder / "bin" / "python")
    if not (folder / ".done").exists():
        run([sys.executable, "-m", "venv", "--clear", str(folder)], STEP_S)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--upgrade", "pip>=25.1"], STEP_S)
        run([*pip, "--editable", ".", "--group", "quick", package], STEP_S)
        (folder / ".done").touch()
    return python


def main() -> int:
    failed = 0
    for package, (module, example) in FRAMEWORKS.items():
        try:
            python = install(package)
        except StepError as error:
            lines = str(error).strip().splitlines() or ["it said nothing"]
            print(f"left out: {package}, as it cannot be installed: {lines[-1].strip()[:200]}", flush=True)
            continue
        try:
            # Without the framework the tests would be skipped, and that is no success here.
            run([python, "-c", f"import {module}"], STEP_S)
            options = ["-p", "no:cacheprovider", "-k", example]
            text = run([python, "-m", "pytest", *options, "tests/test_examples.py"], STEP_S)
            print(f"ok   {package}: {text.strip().splitlines()[-1].strip('= ')}", flush=True)
        except StepError as error:
            failed += 1
            print(f"FAIL {package}\n{error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
