"""Claude at Amazon's and Google's platforms, on stand-ins of their wires: `python -m benchmarks.claude_platforms`.

Runs tests/agent/test_platform_wires.py in an environment with `anthropic[bedrock,vertex]`, which the other tests do
without: with it come AWS's and Google's own logins. Left out, with the reason, where that cannot be installed.
"""

from __future__ import annotations

import sys

from benchmarks.environments import StepError, environment, run

TESTS = ("tests/agent/test_platform_wires.py", "tests/agent/test_agent_platforms.py")


def main() -> int:
    try:
        python = environment("claude-platforms", "--editable", ".", "--group", "quick", "anthropic[bedrock,vertex]")
    except StepError as error:
        print(f"left out: anthropic[bedrock,vertex] cannot be installed: {error.reason}")
        return 0
    try:
        text = run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS])
    except StepError as error:
        print(f"FAIL\n{error}")
        return 1
    last = text.strip().splitlines()[-1]
    print(f"{'FAIL: tests were skipped: ' if 'skipped' in last else 'ok   '}{last}")
    return 1 if "skipped" in last else 0


if __name__ == "__main__":
    sys.exit(main())
