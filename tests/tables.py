"""A table of cases as one test: every row is run, and the rows that fail are reported together."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

Test = Callable[..., None]
Named = type(pytest.param())
"""A row with a name of its own."""


def table(
    names: str | Sequence[str], rows: Iterable[Any], *, ids: Sequence[str] | Callable[[Any], object] | None = None
) -> Callable[[Test], Test]:
    """Run a test once for each row of `rows`, whose values are the arguments `names`, as `parametrize` would.

    It is one item of pytest, which costs as much as a row does. Each row has a folder `tmp_path` and a `monkeypatch` of
    its own; other fixtures are those of the whole table.
    """
    fields = names.replace(",", " ").split() if isinstance(names, str) else list(names)
    is_bare = isinstance(names, str) and len(fields) == 1
    listed = [row if isinstance(row, Named) else pytest.param(*((row,) if is_bare else row)) for row in rows]
    assert listed, "a table has rows"
    assert not any(row.marks for row in listed), "marks are of the whole table"

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)

        @functools.wraps(test)
        def run_rows(**fixtures: Any) -> None:
            failures: list[Exception] = []
            skips: list[str] = []
            for number, row in enumerate(listed):
                try:
                    with _of_a_row(fixtures, number) as own:
                        test(**own, **dict(zip(fields, row.values, strict=True)))
                except pytest.skip.Exception as skip:
                    skips.append(str(skip))
                except Exception as error:
                    error.add_note(f"in row {number} of the table: {_label(ids, number, row)}")
                    failures.append(error)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(listed)} rows failed", failures)
            if len(skips) == len(listed):
                pytest.skip(skips[0])

        others = [parameter for name, parameter in signature.parameters.items() if name not in fields]
        setattr(run_rows, "__signature__", signature.replace(parameters=others))  # noqa: B010 - unknown to type checkers
        return run_rows

    return decorate


@contextmanager
def _of_a_row(fixtures: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    own = dict(fixtures)
    if "tmp_path" in own:
        own["tmp_path"] = own["tmp_path"] / str(number)
        own["tmp_path"].mkdir()
    with pytest.MonkeyPatch.context() as monkeypatch:
        if "monkeypatch" in own:
            own["monkeypatch"] = monkeypatch
        yield own


def _label(ids: Sequence[str] | Callable[[Any], object] | None, number: int, row: Any) -> str:
    if row.id is not None:
        return str(row.id)
    if callable(ids):
        return ", ".join(str(ids(value)) for value in row.values)
    return str(ids[number]) if ids else ", ".join(repr(value)[:200] for value in row.values)
