"""The interface of the database below the gateway's store: transactions and rows, in two dialects of SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from nlapi.errors import NlapiError

Value: TypeAlias = str | int | float | bytes | None
"""a value that is bound to a `?` of a statement"""


class StoreError(NlapiError):
    """The database could not carry out a statement; its transaction changed nothing."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached now; the configuration in memory stays in use."""


class CommitUnknownError(StoreUnavailableError):
    """The connection was lost while a transaction was committed, which may have happened or not."""


class StaleRevisionError(StoreError):
    """The revision does not follow the last in the database: another gateway has committed one."""


class DuplicateRowError(StoreError):
    """A row with the same key is there already."""


class Row(Protocol):
    """A row of a result, by the names of its columns."""

    def keys(self) -> Iterable[str]: ...

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The words in which two databases differ; a statement has the rest in common."""

    text: str
    """the type of a text that is compared byte by byte"""
    row_key: str
    """the type and the constraint of a key that the database counts up"""
    by_key: str
    """the end of CREATE TABLE for rows that are stored in the order of their key"""
    each_name: str
    """the table with a row for each name in the JSON list of the column `objectives`, as its column `value`"""
    input_tokens: str
    """the tokens in the column `body` of a decision; NULL for one without an LLM"""
    output_tokens: str
    dollars: str

    def statement(self, text: str) -> str:
        """Return a statement of a table's definition, or a query, with the words of this dialect."""
        for name in ("text", "row_key", "by_key", "each_name", "input_tokens", "output_tokens", "dollars"):
            text = text.replace(f"{{{name}}}", getattr(self, name))
        return text


class StoreDatabase(Protocol):
    """One database. Every method is safe to call from any thread, and raises StoreError when it fails.

    `?` stands for a bound value. What a thread does within `transaction` is one transaction. Methods that end here do
    nothing in a database that has no need of them.
    """

    name: str
    """the file or the address, without a password"""
    dialect: Dialect
    is_shared: bool
    """whether several gateways may serve from it at once"""

    def rows(self, query: str, *values: Value) -> Sequence[Row]:
        """Return all rows of a query."""

    def iterate(self, query: str) -> Iterator[Row]:
        """Yield the rows of a query, read as they are needed."""

    def execute(self, statement: str, *values: Value) -> None:
        """Carry out a statement."""

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Carry out a statement for each row."""

    def continue_counting(self, table: str) -> None:
        """Let the counted key `id` of a table continue after its greatest, in the transaction that is open."""
        return

    def transaction(self, *, is_exclusive: bool = True) -> AbstractContextManager[None]:
        """Run the `with` block as one transaction, or as part of the one around it; an exclusive one has no other
        writer beside it."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all queries of the `with` block see one state of the database."""

    def has_table(self, name: str) -> bool:
        """Return whether there is a table."""

    def version(self) -> int:
        """Return the version of the tables; 0 for an empty database."""

    def set_version(self, version: int) -> None:
        """Note the version of the tables, in the transaction that is open."""

    def release_space(self, *, whole: bool) -> None:
        """Return free pages to the file system; the `whole` file is written anew for it."""
        return

    def changes_elsewhere(self, *, fresh: bool) -> int:
        """Return a number that differs after a commit of another process that may have changed tokens.

        It never waits unless it has to be `fresh`, and is a second old at most.
        """

    def claim(self) -> None:
        """Reserve a database that is not shared for one serving gateway. NlapiError when another has it."""
        return

    def release_claim(self) -> None:
        """Let another gateway claim it."""
        return

    @property
    def is_leader(self) -> bool:
        """Whether this gateway is the one that takes the steps of canaries."""

    @property
    def is_reachable(self) -> bool:
        """Whether the last attempt to reach it succeeded."""

    def watch(self, on_change: Callable[[], object]) -> None:
        """Call `on_change` in a thread when another gateway has changed revision or tokens, until `close`."""
        return

    def close(self) -> None:
        """Close all connections."""
