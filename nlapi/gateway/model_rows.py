"""The rows that trained models take, and the interface of a trained model."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from nlapi.errors import NlapiError

FeatureRow: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""One row: values by column, or values in the order of the columns"""
Label: TypeAlias = str | int | float | bool
Prediction: TypeAlias = Label | list[Any]

MAX_LISTED_COLUMNS = 20
MAX_FAILURE_CHARS = 300
_QUOTED = re.compile(r"(?<!\w)'([^']*)'|\"([^\"]*)\"")
_LONG_NUMBER = re.compile(r"\d*\.\d+(e[+-]?\d+)?|\d{4,}")
_FOLDERS = re.compile(r"(?<![\w/])(?:[A-Za-z]:)?(?:[/\\][\w.@+-]+)+[/\\](?=[\w.@+-])")


class ModelInputError(NlapiError):
    """A trained model cannot take a row. The message names columns and types, and never a value."""


class ModelRunError(NlapiError):
    """The library of a trained model failed at rows; the message is the library's without values."""

    def __init__(self, file_name: str, error: Exception, columns: Collection[str]) -> None:
        super().__init__(f"{file_name} failed with {type(error).__name__}: {clean_failure(str(error), columns)}")


class TrainedModel(ABC):
    """A trained model, which the stages of a version receive as `model`. All values that it returns are plain Python.

    A row is a mapping of all `columns`, or a list of values in their order.
    """

    file_name: str
    columns: tuple[str, ...] = ()
    """the names of the features in the model's order; () when only their order is known"""
    labels: tuple[Label, ...] = ()
    """the classes of a classifier; () for any other model"""

    def predict(self, row: FeatureRow) -> Prediction:
        """Return the output for one row: a classifier's probability of the last class, or a regressor's number.

        A model with several outputs gives a list, and a classifier without probabilities the label.
        ModelInputError when a column is missing or unknown.
        """
        return self.predict_many([row])[0]

    @abstractmethod
    def predict_many(self, rows: Sequence[FeatureRow]) -> list[Prediction]:
        """Return what `predict` gives for each row, with one call of the model."""

    def probabilities(self, row: FeatureRow) -> dict[str, float]:
        """Return the probability of each class of a classifier, by its label as a text, as keys of JSON are."""
        return self.probabilities_many([row])[0]

    @abstractmethod
    def probabilities_many(self, rows: Sequence[FeatureRow]) -> list[dict[str, float]]:
        """Return what `probabilities` gives for each row, with one call of the model."""

    def classify(self, row: FeatureRow) -> Prediction:
        """Return the label of the class that a classifier decides for."""
        return self.classify_many([row])[0]

    def classify_many(self, rows: Sequence[FeatureRow]) -> list[Prediction]:
        """Return what `classify` gives for each row, with one call of the model."""
        labels: dict[str, Label] = {label_text(label): label for label in self.labels}
        decided = [max(row, key=row.__getitem__) for row in self.probabilities_many(rows)]
        return [labels.get(text, text) for text in decided]

    def no_classifier(self, reason: str = "is no classifier with probabilities", hint: str = "") -> ModelInputError:
        """Return the error for a model without the probabilities of classes."""
        return ModelInputError(f"{self.file_name} {reason}", hint=hint or "use model.predict")


def row_values(row: FeatureRow, columns: Sequence[str], width: int | None, file_name: str) -> list[Any]:
    """Return the values of a row in the order of the columns. ModelInputError when they are not `width` values."""
    if isinstance(row, Mapping):
        if not columns:
            hint = "give a list of values, or the names in model.toml: [trained] columns"
            raise ModelInputError(f"{file_name} does not name its columns", hint=hint)
        try:
            values = [row[column] for column in columns]
        except KeyError:
            values = []
        if len(values) != len(row):
            raise _column_error(row, columns, file_name)
        return values
    if isinstance(row, str | bytes) or not hasattr(row, "__len__"):
        raise ModelInputError(f"a row for {file_name} is a mapping of columns or a list, not {type(row).__name__}")
    if width is not None and len(row) != width:
        expected = f"{width}: {_listing(columns)}" if columns else str(width)
        raise ModelInputError(f"the row has {len(row)} values, and {file_name} takes {expected}")
    return list(row)


def label_text(label: Label) -> str:
    """Return a label as the key of a JSON object."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def as_rows(rows: object, file_name: str) -> list[Any]:
    """Return the rows of a batch as a list. ModelInputError when it is one row."""
    if isinstance(rows, Mapping | str | bytes) or not isinstance(rows, Iterable):
        raise ModelInputError(f"rows for {file_name} are a list of rows, not {type(rows).__name__}")
    return list(rows)


def clean_failure(text: str, columns: Collection[str] = ()) -> str:
    """Return a library's message, cut, without folders and without what may be a value of the input."""

    def mask(match: re.Match[str]) -> str:
        return match.group() if (match.group(1) or match.group(2)) in columns else "'...'"

    # Quoted text and long numbers are values ("could not convert string to float: 'DE'"), unless they name a column.
    cleaned = _LONG_NUMBER.sub("...", _QUOTED.sub(mask, hide_folders(" ".join(text.split()))))
    return cleaned if len(cleaned) <= MAX_FAILURE_CHARS else f"{cleaned[: MAX_FAILURE_CHARS - 3]}..."


def hide_folders(text: str) -> str:
    """Return a text whose paths are without their folders."""
    return _FOLDERS.sub("", text)


def _column_error(row: Mapping[str, Any], columns: Sequence[str], file_name: str) -> ModelInputError:
    missing = [column for column in columns if column not in row]
    unknown = [str(name)[:80] for name in row if name not in columns]
    parts = [
        f"{'column' if len(names) == 1 else 'columns'} {_listing(names)} {'is' if len(names) == 1 else 'are'} {state}"
        for names, state in ((missing, "missing"), (unknown, "unknown"))
        if names
    ]
    return ModelInputError(" and ".join(parts), hint=f"{file_name} has the columns {_listing(columns)}")


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED_COLUMNS} more" if len(names) > MAX_LISTED_COLUMNS else ""
    return ", ".join(map(repr, names[:MAX_LISTED_COLUMNS])) + more
