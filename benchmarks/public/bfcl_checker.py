"""Rates calls with BFCL's own checker, in an environment that has `bfcl-eval`; imports nothing of nlapi.

usage: PYTHON bfcl_checker.py < calls > verdicts

A line in is {"id", "category", "calls"}, a line out {"id", "error"}: "" for a right answer, else the checker's own
class of error. The package's table of models imports the libraries of every vendor; the checker looks up one flag
in it, whether a model's function names have dots, so that it gets a table of one model here.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

MODELS = ModuleType("bfcl_eval.constants.model_config")
MODELS.MODEL_CONFIG_MAPPING = {"nlapi": SimpleNamespace(underscore_to_dot=False)}  # type: ignore[attr-defined]
sys.modules[MODELS.__name__] = MODELS

import bfcl_eval  # type: ignore[import-not-found]  # noqa: E402
from bfcl_eval.constants.enums import Language  # type: ignore[import-not-found]  # noqa: E402
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # type: ignore[import-not-found]  # noqa: E402

DATA = Path(bfcl_eval.__file__).parent / "data"


@cache
def entries(file: str) -> dict[str, Any]:
    with (DATA / file).open(encoding="utf-8") as lines:
        return {entry["id"]: entry for entry in map(json.loads, lines)}


def error(number: str, category: str, calls: list[Any]) -> str:
    if "irrelevance" in category:
        # As the leaderboard's program has it: right is whatever is no call.
        return "irrelevance_error:decoder_success" if calls else ""
    functions = entries(f"BFCL_v4_{category}.json")[number]["function"]
    right = entries(f"possible_answer/BFCL_v4_{category}.json")[number]["ground_truth"]
    verdict = ast_checker(functions, calls, right, Language.PYTHON, category, "nlapi")
    return "" if verdict["valid"] else verdict["error_type"]


if __name__ == "__main__":
    for row in map(json.loads, sys.stdin):
        print(json.dumps({"id": row["id"], "error": error(row["id"], row["category"], row["calls"])}))
