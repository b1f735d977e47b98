"""Consent at the terminal: yes, no with a reason, always, or edited arguments."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlapi.cli import show
from nlapi.cli.prompt import read_line
from nlapi.client.safe_text import single_line
from nlapi.openapi.spec import Effect, Operation

if TYPE_CHECKING:
    from nlapi.agent.consent import ConsentReply
    from nlapi.agent.events import CallProposed
    from nlapi.tools.run import Prepared

YES, ALWAYS, EDIT = ("y", "yes"), ("a", "always"), ("e", "edit")
# A no with its reason, which goes back to the planner. Any text that is none of the answers is the reason of a no.
_NO = re.compile(r"(?:no?\b)?[\s:,.]*(.*)", re.IGNORECASE | re.DOTALL)


def ask_consent(prepared: Prepared) -> bool:
    """Ask about a call that has been shown, and return whether the person typed yes."""
    answer = read_line(f"{single_line(prepared.call.operation_id)} {show.EFFECTS[prepared.effect]}. Send it? [y/N]: ")
    return (answer or "").strip().lower() in YES


class ConsentPrompt:
    """A prompt for consent to all calls of a plan; it remembers the operations that were answered with "always"."""

    def __init__(self) -> None:
        self.always_allowed: set[Operation] = set()

    async def __call__(self, proposed: tuple[CallProposed, ...]) -> ConsentReply:
        """Return the person's reply to the proposed calls."""
        from nlapi.agent.consent import ConsentReply

        # "always" never covers a call with a reason against it, and ends with the session
        # (docs/design/024-consent-to-a-plan.md).
        uncontested = not any(call.reason for call in proposed)
        operations = {call.call.tool.operation for call in proposed}
        if uncontested and operations <= self.always_allowed:
            show.dim("  always agreed to in this session")
            return ConsentReply(is_agreed=True)
        while True:
            typed = (read_line(_question(proposed, offer_always=uncontested)) or "").strip()
            answer = typed.lower()
            if answer in YES or (uncontested and answer in ALWAYS):
                self.always_allowed |= operations if answer in ALWAYS else set()
                return ConsentReply(is_agreed=True)
            if answer not in EDIT:
                return ConsentReply(is_agreed=False, reason=_reason(typed))
            arguments = _edit_arguments(proposed)
            if arguments is not None:
                return ConsentReply(is_agreed=False, arguments=arguments)


def _question(proposed: tuple[CallProposed, ...], *, offer_always: bool) -> str:
    answers = "[y/N/always/edit]" if offer_always else "[y/N/edit]"
    if len(proposed) == 1:
        (only,) = proposed
        return f"{single_line(only.call.operation_id)} {show.EFFECTS[only.effect]}. Send it? {answers}: "
    destroyed = sum(call.effect is Effect.DESTROY for call in proposed)
    warning = f", {destroyed} of them {'takes' if destroyed == 1 else 'take'} something away" if destroyed else ""
    return f"{len(proposed)} changes{warning}. Send them? {answers}: "


def _reason(typed: str) -> str:
    """Return the reason that was typed behind a no."""
    match = _NO.fullmatch(typed)
    return match.group(1).strip() if match else typed


def _edit_arguments(proposed: tuple[CallProposed, ...]) -> tuple[Mapping[str, Any], ...] | None:
    """Return the arguments of each call after editing; None, with a note on standard error, when they do not change."""
    arguments = [dict(call.call.arguments) for call in proposed]
    try:
        text = json.dumps(arguments if len(arguments) > 1 else arguments[0], indent=2, ensure_ascii=False)
    except TypeError:
        show.note("these arguments are not JSON: they cannot be edited here")
        return None
    while True:
        # Text that is not valid JSON is offered again as the person left it, so that no edit is lost.
        changed = _edit_text(text + "\n")
        if changed is None:
            return None
        try:
            values = json.loads(changed)
        except (ValueError, RecursionError) as error:
            problem = f"this is not JSON: {error}"
        else:
            values = values if len(arguments) > 1 else [values]
            if isinstance(values, list) and len(values) == len(arguments) and all(isinstance(value, dict) for value in values):
                if values == arguments:
                    show.note("nothing is changed")
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
            show.note(f"{editor} cannot be run: {getattr(error, 'strerror', None) or error}; EDITOR names another")
            return None
        if code:
            show.note(f"{editor} ended with {code}; nothing is changed")
            return None
        return file.read_text(encoding="utf-8", errors="replace")
