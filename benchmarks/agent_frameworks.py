"""Runs examples on frameworks that the environment of the tests cannot have: `python -m benchmarks.agent_frameworks`.

google-adk 2.13 needs google-genai 2, and the tests have 3. Each framework has an environment of its own, which stays in
.venvs/. One that cannot be installed is left out, with the reason; an example that fails is an error.
"""

from __future__ import annotations

import sys

from benchmarks.environments import StepError, environment, run

FRAMEWORKS = {
    "google-adk": ("google.adk", "google_adk.py"),
    "pydantic-ai-slim[anthropic]": ("pydantic_ai", "pydantic_agent.py"),
    "smolagents[openai]": ("smolagents", "smolagents_agent.py"),
}
"""The package -> the module that it brings, and the example that needs it."""


def main() -> int:
    failed = 0
    for package, (module, example) in FRAMEWORKS.items():
        try:
            python = environment(package.partition("[")[0], "--editable", ".", "--group", "quick", package)
        except StepError as error:
            print(f"left out: {package}, as it cannot be installed: {error.reason}", flush=True)
            continue
        try:
            # Without the framework the tests would be skipped, and that is no success here.
            run([python, "-c", f"import {module}"])
            options = ["-p", "no:cacheprovider", "-k", example]
            text = run([python, "-m", "pytest", *options, "tests/test_examples.py"])
            print(f"ok   {package}: {text.strip().splitlines()[-1].strip('= ')}", flush=True)
        except StepError as error:
            failed += 1
            print(f"FAIL {package}\n{error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
