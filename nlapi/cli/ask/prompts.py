"""Asks the person at the terminal: for an operation, for missing arguments, and for consent to calls."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlapi.agent.events import CallProposed, ChoiceOffered, ConsentReply, WorkflowProposed
from nlapi.cli.render import console
from nlapi.cli.render.console import plain_text
from nlapi.client.safe_text import json_line, single_line, strip_control
from nlapi.errors import MissingError
from nlapi.json_text import parse_json
from nlapi.openapi.credential_parameters import is_unspoken
from nlapi.openapi.spec import Effect, Operation
from nlapi.system import drop_typed_ahead
from nlapi.tools.arguments import coerce
from nlapi.tools.sending.files import file_form
from nlapi.tools.tool import Call, Missing

if TYPE_CHECKING:
    from nlapi.tools.sending.run import Prepared

# Characters of a description and values of an enum: a prompt should stay within two lines of a terminal.
MAX_MEANING = 160
MAX_CHOICES = 8

YES, ALWAYS, EDIT = ("y", "yes"), ("a", "always"), ("e", "edit")
# A no with its reason, which goes back to the planner. Any text but the answers is the reason of a no.
_NO = re.compile(r"(?:no?\b)?[\s:,.]*(.*)", re.IGNORECASE | re.DOTALL)


def read_line(prompt: str) -> str | None:
    """Return the typed line; None at the end of the input (Ctrl-D). Ctrl-C raises KeyboardInterrupt at once."""
    prompt = strip_control(prompt)
    with _interruptible():
        if sys.stdin.isatty() and sys.stdout.isatty():
            with suppress(ImportError):
                import readline  # noqa: F401 - importing it gives `input` its editing keys and its history
            try:
                return input(prompt)
            except EOFError:
                print(file=sys.stderr)
                return None
        # `input` would write the prompt to standard output, where an answer may go into a file.
        print(prompt, end="", file=sys.stderr, flush=True)
        typed = sys.stdin.readline()
        return typed.rstrip("\n") if typed else None


def read_answer(prompt: str) -> str:
    """Return what is typed at a question, on which something hangs; "" without a terminal.

    What was typed before the question is shown is not an answer to it, and is dropped.
    """
    if not sys.stdin.isatty():
        return ""
    drop_typed_ahead()
    return (read_line(prompt) or "").strip()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make Ctrl-C raise KeyboardInterrupt inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # asyncio.run replaces the handler by one that only cancels its task, which the blocking read never notices.
    previous_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)


def choose(title: str, labels: Sequence[str], *, otherwise: str) -> int | None:
    """Return the index of the label that the person chooses; None for `otherwise`, which is an empty line or Ctrl-D."""
    console.note(title)
    for number, label in enumerate(labels, 1):
        console.note(f"  {number}. {label}")
    numbers = f"1 to {len(labels)}" if len(labels) > 1 else "1"
    while typed := (read_line(f"{numbers} (Enter: {otherwise}): ") or "").strip():
        if typed.isdecimal() and 0 < int(typed) <= len(labels):
            return int(typed) - 1
        console.note(f"That is not a number from the list: {single_line(typed)[:60]}")
    return None


def menu_lines(offered: ChoiceOffered) -> list[str]:
    """Return the lines of the menu, one choice each."""
    return [f"{number}. {describe_choice(call)}" for number, call in enumerate(offered.choices, 1)]


def choose_operation(offered: ChoiceOffered, *, ask: bool) -> Operation:
    """Return the operation of the typed number. MissingError without a valid number, or when nobody can be asked."""
    count = len(offered.choices)
    answer = read_answer(f"1 to {count}, or nothing: ") if ask else ""
    if answer.isdecimal() and 1 <= int(answer) <= count:
        return offered.choices[int(answer) - 1].tool.operation
    # A script gets exit code 7 and the names, which `nlapi call` takes.
    names = ", ".join(single_line(call.operation_id) for call in offered.choices)
    words = next((plain_text(call.tool.operation.summary).rstrip(".") for call in offered.choices), "")
    example = f"in the words of one, such as {words!r}" if words else "in other words"
    raise MissingError(f"the question may mean any of {names}", hint=f"ask {example}, or use `nlapi call`")


def describe_choice(call: Call) -> str:
    """Return an operation of a menu in one line, with the arguments that are known."""
    operation = call.tool.operation
    description = plain_text(operation.summary).rstrip(".") or single_line(operation.path)
    arguments = ", ".join(
        f"{name}={value if isinstance(value, str) else json_line(value)}" for name, value in call.arguments.items()
    )
    return f"{description}{f' ({single_line(arguments)})' if arguments else ''}: {single_line(operation.id)}"


def ask_for_arguments(missing: tuple[Missing, ...]) -> dict[str, object]:
    """Ask at the terminal for each missing argument, and return the values by name; {} when one is left empty."""
    values: dict[str, Any] = {}
    for item in missing:
        if meaning := describe_argument(item):
            console.note(meaning)
        text = read_line(f"{item.argument}: ")
        if not text or not text.strip():
            return {}
        if text.strip().startswith("@") and file_form(item.tool, item.argument) is not None:
            from nlapi.cli.call.arguments import read_file_argument

            values[item.argument] = read_file_argument(text.strip()[1:])
        else:
            values[item.argument] = coerce(text.strip(), item.schema, item.tool.input_schema.get("$defs", {}))
    return values


def missing_error(missing: tuple[Missing, ...]) -> MissingError:
    """Return the error that names the missing arguments with their meaning and the options that set them."""
    message = "; ".join(f"{item.tool.operation.id} needs {_label(item)}" for item in missing)
    files = [item for item in missing if file_form(item.tool, item.argument) is not None]
    options = " ".join(f"--set {item.argument}={'@PATH' if item in files else '...'}" for item in missing)
    # No word of a question is the content of a file, or a credential.
    is_set_only = bool(files) or any(_is_unspoken(item) for item in missing)
    return MissingError(message, hint=f"add {options}" if is_set_only else f"say it in the question, or add {options}")


def _is_unspoken(item: Missing) -> bool:
    location, wire = item.tool.places.get(item.argument, ("body", item.argument))
    return is_unspoken(wire, location, item.schema, item.description)


def _label(item: Missing) -> str:
    meaning = describe_argument(item)
    return f"{item.argument} ({meaning})" if meaning else item.argument


def describe_argument(item: Missing) -> str:
    """Return the description and the choices of an argument; "" when they only repeat its name."""
    description = plain_text(item.description)
    if item.choices and all(choice in description for choice in item.choices[:MAX_CHOICES]):
        return description.rstrip(".")
    description = description if len(description) <= MAX_MEANING else f"{description[: MAX_MEANING - 1].rstrip()}…"
    description = description.rstrip(".")
    # "The campaign id." beside `campaign_id` tells nothing.
    if sorted(_letters(description.lower().removeprefix("the "))) == sorted(_letters(item.argument)):
        description = ""
    choices = f"one of {', '.join(item.choices[:MAX_CHOICES])}" if item.choices else ""
    return "; ".join(part for part in (description, choices, _value_form(item.schema)) if part)


def _value_form(schema: Mapping[str, Any]) -> str:
    """Return the way to write a list or an object at the prompt; "" for any other value."""
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if "string" in kinds:
        return ""
    if "object" in kinds:
        return "an object, written as JSON"
    if "array" not in kinds:
        return ""
    items = schema.get("items")
    simple = isinstance(items, Mapping) and items.get("type") in ("string", "integer", "number")
    return "several with commas" if simple else "a list, written as JSON"


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def word_to_type(calls: Sequence[tuple[Operation, Effect]]) -> str:
    """Return the word that a person types to agree to deleting several things, or a whole collection; "" for others.

    It is the name of the collection in the path: a yes is typed too fast.
    """
    from nlapi.resources.semantics import OperationKind, semantics_of

    deletes = [operation for operation, effect in calls if effect is Effect.DESTROY]
    if not deletes:
        return ""
    first = deletes[0]
    if len(deletes) == 1 and semantics_of(first.spec).classify(first).kind is not OperationKind.CLEAR:
        return ""
    literals = [segment for segment in first.path.split("/") if segment and "{" not in segment]
    return literals[-1] if literals else first.id


def ask_consent(prepared: Prepared) -> bool:
    """Ask about a call that has been shown, and return whether the person agreed."""
    if word := word_to_type([(prepared.call.tool.operation, prepared.effect)]):
        return read_answer(f"This deletes all {word}. Type {word} to send it: ") == word
    name = single_line(prepared.call.operation_id)
    return read_answer(f"{name} {prepared.effect.phrase}. Send it? [y/N]: ").lower() in YES


MANY = 5
"""Calls behind which the reasons against all of them are said again."""


class ConsentPrompt:
    """A prompt for consent to all calls of a plan; it remembers the operations that were answered with "always"."""

    def __init__(self) -> None:
        self.always_allowed: set[Operation] = set()

    async def __call__(self, proposed: tuple[CallProposed, ...]) -> ConsentReply:
        """Return the person's reply to the proposed calls."""
        # "always" never covers a call with a reason against it, and ends with the session
        # (docs/design/024-consent-to-a-plan.md).
        uncontested = not any(call.reason for call in proposed)
        operations = {call.call.tool.operation for call in proposed}
        word = word_to_type([(call.call.tool.operation, call.effect) for call in proposed])
        # The user said "always" about one at a time.
        if not word and uncontested and operations <= self.always_allowed:
            console.dim("  always agreed to in this session")
            return ConsentReply(is_agreed=True, reason="always, in this session")
        # What speaks against all of many was said at the first, which may be off the screen.
        shared = [
            part for part in proposed[0].reason.split("; ") if part and all(part in each.reason for each in proposed)
        ]
        if len(proposed) > MANY and shared:
            console.dim(f"  of all {len(proposed)}: {'; '.join(shared)}")
        while True:
            typed = read_answer(_question(proposed, word, offer_always=uncontested))
            answer = typed.lower()
            if typed == word if word else answer in YES or (uncontested and answer in ALWAYS):
                self.always_allowed |= operations if answer in ALWAYS else set()
                return ConsentReply(is_agreed=True)
            if answer not in EDIT:
                return ConsentReply(is_agreed=False, reason=_reason(typed))
            arguments = _edit_arguments(proposed)
            if arguments is not None:
                return ConsentReply(is_agreed=False, arguments=arguments)


class WorkflowPrompt:
    """A prompt for consent to workflows; a workflow that was agreed to is resumed without another question."""

    def __init__(self) -> None:
        self.agreed: set[frozenset[str]] = set()

    async def __call__(self, proposed: WorkflowProposed) -> ConsentReply:
        """Return the person's reply to a workflow that has been shown."""
        ids = proposed.proposal.call_ids
        reply = ConsentReply(is_agreed=True) if ids in self.agreed else _ask_for_workflow(proposed)
        if reply.is_agreed:
            self.agreed.add(ids)
        return reply


def _ask_for_workflow(proposed: WorkflowProposed) -> ConsentReply:
    name, changes = single_line(proposed.proposal.call.operation_id), proposed.proposal.changes
    warning = ", and takes something away" if proposed.effect is Effect.DESTROY else ""
    count = console.count_noun(len(changes), "change")
    is_agreed, typed = ask_for_run(changes, f"{name} makes {count}{warning}")
    return ConsentReply(is_agreed=is_agreed, reason="" if is_agreed else _reason(typed))


def ask_for_run(changes: Sequence[tuple[Operation, Effect]], statement: str) -> tuple[bool, str]:
    """Ask about all changes of a workflow, and return whether the person agreed, with what was typed."""
    if word := word_to_type(changes):
        typed = read_answer(f"{statement}. This deletes {_deleted(changes, word)}. Type {word} to run it: ")
        return typed == word, typed
    typed = read_answer(f"{statement}. Run it? [y/N]: ")
    return typed.lower() in YES, typed


def _deleted(changes: Sequence[tuple[Operation, Effect]], word: str) -> str:
    """Return what several deletions, or that of a whole collection, take away, in words."""
    deletes = [operation for operation, effect in changes if effect is Effect.DESTROY]
    things = word if len(set(deletes)) == 1 else "things"
    return f"all {word}" if len(deletes) == 1 else f"{len(deletes)} {things}"


def _question(proposed: tuple[CallProposed, ...], word: str, *, offer_always: bool) -> str:
    if word:
        deleted = _deleted([(call.call.tool.operation, call.effect) for call in proposed], word)
        is_all = all(call.effect is Effect.DESTROY for call in proposed)
        more = "" if is_all else f", in {len(proposed)} changes"
        return f"This deletes {deleted}{more}. Type {word} to send it, or edit: "
    answers = "[y/N/always/edit]" if offer_always else "[y/N/edit]"
    if len(proposed) == 1:
        (only,) = proposed
        return f"{single_line(only.call.operation_id)} {only.effect.phrase}. Send it? {answers}: "
    destroyed = sum(call.effect is Effect.DESTROY for call in proposed)
    warning = f", {destroyed} of them {'takes' if destroyed == 1 else 'take'} something away" if destroyed else ""
    return f"{len(proposed)} changes{warning}. Send them? {answers}: "


def _reason(typed: str) -> str:
    """Return the reason that was typed behind a no."""
    match = _NO.fullmatch(typed)
    return match.group(1).strip() if match else typed


def _edit_arguments(proposed: tuple[CallProposed, ...]) -> tuple[Mapping[str, object], ...] | None:
    """Return the arguments of each call after editing; None, with a note on standard error, when they do not change."""
    arguments = [dict(call.call.arguments) for call in proposed]
    try:
        text = json.dumps(arguments if len(arguments) > 1 else arguments[0], indent=2, ensure_ascii=False)
    except TypeError:
        console.note("these arguments are not JSON: they cannot be edited here")
        return None
    while True:
        # Text that is not valid JSON is offered again as the person left it, so that no edit is lost.
        changed = _edit_text(text + "\n")
        if changed is None:
            return None
        try:
            values = parse_json(changed)
        except (ValueError, RecursionError) as error:
            problem = f"this is not JSON: {error}"
        else:
            values = values if len(arguments) > 1 else [values]
            if (
                isinstance(values, list)
                and len(values) == len(arguments)
                and all(isinstance(value, dict) for value in values)
            ):
                if values == arguments:
                    console.note("nothing is changed")
                    return None
                return tuple(values)
            objects = "an object" if len(arguments) == 1 else f"a list of {len(arguments)} objects"
            problem = f"this is not {objects}"
        if (read_line(f"{problem}. Edit it again? [Y/n]: ") or "n").strip().lower() in ("n", "no"):
            return None
        text = changed.rstrip("\n")


def _edit_text(text: str) -> str | None:
    """Return the text after the user's editor has ended; None when the editor cannot be run or fails."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="nlapi-") as folder:
        file = Path(folder) / "arguments.json"
        file.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        except (OSError, ValueError) as error:
            console.note(f"{editor} cannot be run: {getattr(error, 'strerror', None) or error}; EDITOR names another")
            return None
        if code:
            console.note(f"{editor} ended with {code}; nothing is changed")
            return None
        return file.read_text(encoding="utf-8", errors="replace")
