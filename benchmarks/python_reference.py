"""Writes docs/python.md, the reference of the public names of `nlapi`, from their signatures and docstrings.

usage: python -m benchmarks.python_reference [FILE]     (a second; `make reference`, and a test that it is up to date)
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import nlapi

TARGET = Path(__file__).parent.parent / "docs" / "python.md"
HEAD = """# Python reference

The names of `nlapi.__all__`, from the program. [Scripts](scripts.md#from-python) has a first program, [tools](tools.md)
and [agents](agents.md) the use with models. Every other name is internal ([deprecations](deprecations.md)).
"""


def signature(name: str, value: object) -> str:
    """Return a call as Python code, an argument a line."""
    parameters = inspect.signature(value).parameters.values()  # type: ignore[arg-type]
    returned = inspect.signature(value).return_annotation  # type: ignore[arg-type]
    lines = []
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and "    *," not in lines:
            lines.append("    *,")
        lines.append(
            f"    {str(parameter.replace(annotation=parameter.empty)).partition('=')[0]}: {parameter.annotation}"
        )
        if parameter.default is not parameter.empty:
            lines[-1] += f" = {parameter.default!r}"
        lines[-1] += ","
    return "\n".join([f"{name}(", *lines, f") -> {returned}"])


def members(value: type) -> Iterator[str]:
    """Yield the fields of a class, then its public properties and methods with the first line of each."""
    if issubclass(value, enum.Enum):
        yield from (f"- `{member.name}`" for member in value)
        return
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if not field.name.startswith("_"):
                yield f"- `{field.name}: {field.type}`"
    for name, member in vars(value).items():
        is_method = inspect.isfunction(member)
        if name.startswith("_") or not (is_method or isinstance(member, property)):
            continue
        words = (inspect.getdoc(member) or "").partition("\n\n")[0].replace("\n", " ")
        yield f"- `{name}{'()' if is_method else ''}`: {words}" if words else f"- `{name}{'()' if is_method else ''}`"


def entry(name: str) -> str:
    """Return the part of the page about one public name."""
    value = getattr(nlapi, name)
    text = inspect.getdoc(value) or ""
    parts = [f"### `nlapi.{name}`"]
    if not isinstance(value, type) and callable(value):
        parts.append(f"```python\n{signature(f'nlapi.{name}', value)}\n```")
    elif isinstance(value, type) and issubclass(value, Exception):
        parts.append(f"Subclass of `{value.__base__.__name__}`." if value.__base__ else "")
    parts.append(text)
    if isinstance(value, type) and (lines := list(members(value))):
        parts.append("\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def page() -> str:
    """Return the page: functions, then classes, then errors, each in the order of the alphabet."""
    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": []}
    for name in sorted(nlapi.__all__, key=str.lower):
        value = getattr(nlapi, name)
        if not isinstance(value, type):
            kinds["Functions"].append(name)
        else:
            kinds["Errors" if issubclass(value, Exception) else "Classes"].append(name)
    sections = (f"## {kind}\n\n" + "\n\n".join(entry(name) for name in names) for kind, names in kinds.items())
    return HEAD + "\n" + "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET).write_text(page(), encoding="utf-8")
