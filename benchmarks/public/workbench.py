"""WorkBench: 690 tasks at an office's tools; the outcome is the state of a database after the set's own tools have run.

The right actions of a task are those of the set, which names changes alone: before them come the reads by which an
actor finds their items, one search by name for each id and each address. The set's tools are written for LangChain and
pandas. They run in an environment of their own, with a stand-in for LangChain's decorator.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.environments import StepError, environment
from benchmarks.public.actors import SEED, Action, ToolSet, ToolText, Variant, corrupted, tool_set
from benchmarks.public.chapter import MissingError, Source

SOURCE: Final = Source(name="WorkBench", version="42f1b6d", licence="MIT", origin="github.com/olly-styles/WorkBench")
TODAY: Final = date(2023, 11, 30)
"""The day on which all tasks are asked, by the set's own tools."""
REQUIREMENT: Final = "pandas==2.3.3"

# Runs in the environment with pandas, in the folder of the set. In: a list of lists of actions. Out: the tools with
# their texts, the rows of the tables, and for each list the answers and the rows that are new and gone.
_RUN: Final = """
import inspect, json, os, sys, types
from collections import Counter
import pandas as pd

class Tool:
    def __init__(self, name, func):
        self.name, self.func = name, func

stand_in = types.ModuleType("langchain.tools")
stand_in.tool = lambda name, **_: lambda func: Tool(name, func)
sys.modules["langchain"], sys.modules["langchain.tools"] = types.ModuleType("langchain"), stand_in
# The module with the day of the tasks is not in the published folder either.
sys.path.insert(0, os.getcwd())
generation = types.ModuleType("src.data_generation.data_generation_utils")
generation.HARDCODED_CURRENT_TIME = pd.to_datetime("2023-11-30T00:00:00")
sys.modules["src.data_generation"] = types.ModuleType("src.data_generation")
sys.modules["src.data_generation.data_generation_utils"] = generation
sys.dont_write_bytecode = True

read = pd.read_csv
people = set()
for table, column in {"calendar_events": "participant_email", "project_tasks": "assigned_to_email",
                      "customer_relationship_manager_data": "assigned_to_email", "emails": "sender/recipient"}.items():
    rows = read(f"data/processed/{table}.csv", dtype=str)
    people |= {value for value in rows[column].dropna() if value.endswith("@atlas.com")}
# The list of addresses is not in the published folder: it is made of the addresses in the tables.
pd.read_csv = lambda path, *args, **more: (
    pd.DataFrame({"email_address": sorted(people)}) if "data/raw" in str(path) else read(path, *args, **more))
from src.tools import analytics, calendar, customer_relationship_manager, email, project_management
from src.tools.toolkits import all_tools, tools_with_side_effects

TABLES = [(calendar, "CALENDAR_EVENTS"), (email, "EMAILS"), (analytics, "PLOTS_DATA"),
          (project_management, "PROJECT_TASKS"), (customer_relationship_manager, "CRM_DATA")]
by_name = {tool.name: tool.func for tool in all_tools}
first = {name: getattr(module, name).copy() for module, name in TABLES}

def rows_of():
    return {name: Counter(tuple(str(value).lower() for value in row) for row in getattr(module, name).values.tolist())
            for module, name in TABLES}

before = rows_of()

def plain(value):
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value

def run(actions):
    for module, name in TABLES:
        setattr(module, name, first[name].copy())
    answers = []
    for name, arguments in actions:
        try:
            answers.append(plain(by_name[name](**arguments)))
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}")
    after = rows_of()
    new = sorted([name, *row] for name in after for row in (after[name] - before[name]).elements())
    gone = sorted([name, *row] for name in before for row in (before[name] - after[name]).elements())
    return {"answers": answers, "new": new, "gone": gone}

tools = [{"name": tool.name, "text": inspect.getdoc(tool.func),
          "arguments": list(inspect.signature(tool.func).parameters)} for tool in all_tools]
tables = {name: plain(table.to_dict(orient="records")) for name, table in first.items()}
json.dump({"tools": tools, "tables": tables, "changing": [tool.name for tool in tools_with_side_effects],
           "runs": [run(actions) for actions in json.load(sys.stdin)]}, sys.stdout)
"""

# The search by which an actor finds an item, and the columns that it searches by.
_SEARCHES: Final = {
    "event_id": ("CALENDAR_EVENTS", "calendar.search_events", {"query": "event_name"}, "event_start"),
    "email_id": ("EMAILS", "email.search_emails", {"query": "subject"}, "sent_datetime"),
    "task_id": ("PROJECT_TASKS", "project_management.search_tasks", {"task_name": "task_name"}, ""),
    "customer_id": (
        "CRM_DATA",
        "customer_relationship_manager.search_customers",
        {"customer_name": "customer_name"},
        "",
    ),
}
_DAYS: Final = {"event_start": ("time_min", "time_max"), "sent_datetime": ("date_min", "date_max")}
# The searches take regular expressions.
_SPECIAL: Final = re.compile(r"[][().*+?^$|{}\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task, with the set's own plan and its corruptions."""

    question: str
    variants: Sequence[Variant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The rows that are new in a database after some actions, and those that are gone."""

    new: frozenset[tuple[str, ...]]
    gone: frozenset[tuple[str, ...]]

    def exceeds(self, wanted: Outcome) -> bool:
        """Return whether something changed that should not have: a row that the right actions leave as it is."""
        return not (self.new <= wanted.new and self.gone <= wanted.gone)


class WorkBench:
    """The set in a folder: its tools, its tasks, and the outcomes of actions."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "public" / "workbench"
        if not self._folder.is_dir():
            raise MissingError(f"WorkBench is not in {self._folder}")
        try:
            self._python = environment("workbench", REQUIREMENT)
        except StepError as error:
            raise MissingError(f"{REQUIREMENT} cannot be had: {error.reason}") from None
        first = self._run([])
        self._tables: Mapping[str, Sequence[Mapping[str, Any]]] = first["tables"]
        self.changing = frozenset(first["changing"])
        self.tools: ToolSet = tool_set("Office", [_tool_text(entry) for entry in first["tools"]])

    def tasks(self) -> Sequence[Task]:
        """Return the tasks with their variants, the reads of each answered by the set's own tools."""
        plain = list(self._plain_tasks())
        pool = tuple({action.key: action for _, changes in plain for action in changes}.values())
        items = {name: [row[name] for row in self._tables[table]] for name, (table, _, _, _) in _SEARCHES.items()}
        groups = {action.name: action.name.partition(".")[0] for action in pool}
        drafts: list[tuple[str, list[Variant]]] = []
        for number, (question, changes) in enumerate(plain):
            made = [Variant(reads=self._look_ups(question, changes), changes=changes)]
            random = Random(f"{SEED} {number}")
            for corruption, index, wrong in corrupted(changes, pool=pool, items=items, groups=groups, random=random):
                # An actor that takes the wrong item has looked at the right one as well.
                reads = self._look_ups(question, (*changes, *wrong))
                made.append(Variant(reads=reads, changes=wrong, corruption=corruption, wrong=index))
            drafts.append((question, made))
        unique = list({read.key: read for _, variants in drafts for entry in variants for read in entry.reads}.values())
        answers = self._run([[read] for read in unique])["runs"]
        answered = {
            read.key: Action(name=read.name, arguments=read.arguments, answer=run["answers"][0])
            for read, run in zip(unique, answers, strict=True)
        }
        return [
            Task(
                question=question,
                variants=[
                    Variant(
                        reads=tuple(answered[read.key] for read in entry.reads),
                        changes=entry.changes,
                        corruption=entry.corruption,
                        wrong=entry.wrong,
                    )
                    for entry in variants
                ],
            )
            for question, variants in drafts
        ]

    def outcomes(self, plans: Sequence[Sequence[Action]]) -> Sequence[Outcome]:
        """Return the Outcome of each list of actions, each from the database as it is at first."""
        return [
            Outcome(new=frozenset(map(tuple, run["new"])), gone=frozenset(map(tuple, run["gone"])))
            for run in self._run(plans)["runs"]
        ]

    def _run(self, plans: Sequence[Sequence[Action]]) -> Any:
        jobs = json.dumps([[[action.name, action.arguments] for action in plan] for plan in plans])
        done = subprocess.run(
            [str(self._python), "-c", _RUN], input=jobs, cwd=self._folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"WorkBench's tools: {done.stderr.strip()[-500:]}")
        return json.loads(done.stdout)

    def _plain_tasks(self) -> Iterator[tuple[str, tuple[Action, ...]]]:
        for file in sorted((self._folder / "data" / "processed" / "queries_and_answers").glob("*.csv")):
            with file.open(encoding="utf-8", newline="") as rows:
                for row in csv.DictReader(rows):
                    yield row["query"], tuple(map(_action, ast.literal_eval(row["answer"])))

    def _look_ups(self, question: str, changes: Sequence[Action]) -> tuple[Action, ...]:
        """Return the searches that find the items of the changes, and the addresses that the question does not have."""
        found: dict[str, Action] = {}
        for action in changes:
            for name, value in action.arguments.items():
                for read in self._look_up(question, name, str(value)):
                    found.setdefault(read.key, read)
        return tuple(found.values())

    def _look_up(self, question: str, name: str, value: str) -> Iterator[Action]:
        if re.fullmatch(r"[\w.]+@atlas\.com", value) and value not in question:
            person = value.partition(".")[0]
            yield Action(name="company_directory.find_email_address", arguments={"name": person})
        if name not in _SEARCHES:
            return
        table, search, columns, moment = _SEARCHES[name]
        row = next((row for row in self._tables[table] if row[name] == value), None)
        if row is None:
            return
        arguments = {argument: _SPECIAL.sub(r"\\\g<0>", row[column]) for argument, column in columns.items()}
        if moment:
            day = row[moment][:10]
            arguments |= zip(_DAYS[moment], _bounds(day, moment), strict=True)
        yield Action(name=search, arguments=arguments)


def _bounds(day: str, moment: str) -> tuple[str, str]:
    return (f"{day} 00:00:00", f"{day} 23:59:59") if moment == "event_start" else (day, day)


def _action(text: str) -> Action:
    """Return the action of a call as the set writes it: calendar.delete_event.func(event_id="00000256")."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    return Action(name=ast.unparse(call.func.value), arguments=arguments)


def _tool_text(entry: Mapping[str, Any]) -> ToolText:
    """Return a tool by its docstring, of NumPy's form: a text, and sections under dashed lines."""
    text, *sections = re.split(r"\n\s*(?:Parameters|Returns|Examples)\n---+\n", entry["text"])
    texts = re.findall(r"^(\w+)\s*:[^\n]*\n((?:[ \t]+[^\n]*\n?)*)", sections[0] if sections else "", re.MULTILINE)
    described = {name: " ".join(lines.split()) for name, lines in texts}
    return ToolText(
        name=entry["name"],
        description=" ".join(text.split()),
        properties={name: {"type": "string", "description": described.get(name, "")} for name in entry["arguments"]},
    )
