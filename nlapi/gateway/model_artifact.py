"""The trained model of a version: JSON that is evaluated in plain Python, an ONNX file or a scikit-learn file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from nlapi.errors import DescriptionError
from nlapi.gateway.model_rows import (
    FeatureRow,
    Label,
    ModelInputError,
    Prediction,
    TrainedModel,
    as_rows,
    label_text,
    row_values,
)
from nlapi.gateway.onnx_model import OnnxModel
from nlapi.gateway.sklearn_model import SklearnModel


def load_model(file: Path, columns: Sequence[str] = (), labels: Sequence[Label] = ()) -> TrainedModel:
    """Load the model of a `.json`, `.onnx`, `.joblib` or `.pkl` file. DescriptionError when it cannot be read.

    `columns` are the names of the features in the model's order, and `labels` the classes, where the file has none.
    """
    if not file.is_file():
        raise DescriptionError(f"model.toml: trained.file is {file.name!r}, which is not there")
    if file.suffix == ".onnx":
        return OnnxModel(file, columns, labels)
    if file.suffix in (".joblib", ".pkl"):
        return SklearnModel(file, columns, labels)
    try:
        document = orjson.loads(file.read_bytes())
        model = _JSON_KINDS[document["kind"]](file.name, document)
    except OSError as error:
        raise DescriptionError(f"{file.name}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError) as error:
        kinds = ", ".join(sorted(_JSON_KINDS))
        raise DescriptionError(
            f"{file.name} is not a model: {type(error).__name__}: {error}",
            hint=f'a JSON object with a "kind" ({kinds}) and its numbers, or an .onnx, .joblib or .pkl file',
        ) from error
    model.describe(columns, labels)
    return model


def sigmoid(value: float) -> float:
    """Return 1 / (1 + e^-value)."""
    # Two forms: math.exp overflows above 709, and each form has an exponent that is never positive.
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    small = math.exp(value)
    return small / (1.0 + small)


class ScoreModel(TrainedModel):
    """A model in JSON, evaluated in plain Python: one probability for each row."""

    width: int | None = None
    """the number of values in a row; None when more than the model reads do no harm"""
    least_width: int = 0

    def describe(self, columns: Sequence[str], labels: Sequence[Label]) -> None:
        """Set the names of columns and classes. DescriptionError when their number does not fit."""
        if columns and (len(columns) < self.least_width or self.width not in (None, len(columns))):
            message = f"model.toml: trained.columns are {len(columns)}, and {self.file_name} reads {self.least_width}"
            raise DescriptionError(message, hint="name the columns in the order in which the model takes them")
        if labels and len(labels) != 2:
            raise DescriptionError(f"model.toml: trained.labels are {len(labels)}, and {self.file_name} has 2 classes")
        self.columns, self.labels = tuple(columns), tuple(labels) or (0, 1)

    def predict_many(self, rows: Sequence[FeatureRow]) -> list[Prediction]:
        """Return the probability of the last class for each row."""
        return [self.predict(row) for row in as_rows(rows, self.file_name)]

    def probabilities_many(self, rows: Sequence[FeatureRow]) -> list[dict[str, float]]:
        """Return the probabilities of both classes for each row; without `labels` in model.toml they are 0 and 1."""
        first, last = map(label_text, self.labels)
        scores = [self.predict(row) for row in as_rows(rows, self.file_name)]
        return [{first: 1.0 - score, last: score} for score in scores]

    def predict(self, row: FeatureRow) -> float:
        """Return the probability of the last class for one row."""
        values = self.ordered(row)
        try:
            return self.score(values)
        except (TypeError, ValueError) as error:
            raise ModelInputError(f"{self.file_name} takes numbers, and a row has another value") from error

    def score(self, values: Sequence[Any]) -> float:
        """Return the probability for the values of a row, in the order of the columns."""
        raise NotImplementedError

    def ordered(self, row: FeatureRow) -> Sequence[Any]:
        """Return the values of a row in the order of the columns. ModelInputError when they do not fit."""
        # Most rows are lists of the right length: they are not copied.
        if type(row) is list and len(row) >= self.least_width and self.width in (None, len(row)):
            return row
        short = isinstance(row, Sequence) and len(row) < self.least_width
        return row_values(row, self.columns, self.least_width if short else self.width, self.file_name)


class LogisticModel(ScoreModel):
    """A logistic regression with `weights` and `bias` over features that are scaled by `mean` and `scale`."""

    def __init__(self, file_name: str, document: Mapping[str, Any]) -> None:
        self.file_name = file_name
        weights = [float(weight) for weight in document["weights"]]
        means = document.get("mean") or [0.0] * len(weights)
        scales = document.get("scale") or [1.0] * len(weights)
        # The scaling is folded into the weights once, so that a prediction has one multiplication for each feature.
        self._weights = [weight / scale for weight, scale in zip(weights, scales, strict=True)]
        shift = sum(weight * mean for weight, mean in zip(self._weights, means, strict=True))
        self._bias = float(document["bias"]) - shift
        self.width = self.least_width = len(weights)

    def score(self, values: Sequence[Any]) -> float:
        """Return the probability for one row."""
        return sigmoid(sum(map(float.__mul__, self._weights, map(float, values)), self._bias))


class BoostedTreesModel(ScoreModel):
    """Gradient boosted trees for a probability: the sigmoid of `base` + the sum of the `trees`' leaves.

    A node is a number (a leaf) or [feature, threshold, node where feature <= threshold, other node].
    """

    def __init__(self, file_name: str, document: Mapping[str, Any]) -> None:
        self.file_name = file_name
        self._base = float(document["base"])
        self._trees = [_parse_node(tree) for tree in document["trees"]]
        self.least_width = 1 + max(map(_last_feature, self._trees), default=-1)

    def score(self, values: Sequence[Any]) -> float:
        """Return the probability for one row."""
        total = self._base
        for tree in self._trees:
            node = tree
            while type(node) is tuple:
                node = node[2] if values[node[0]] <= node[1] else node[3]
            total += node
        return sigmoid(total)


def _parse_node(node: Any) -> Any:
    if isinstance(node, int | float):
        return float(node)
    feature, threshold, low, high = node
    return int(feature), float(threshold), _parse_node(low), _parse_node(high)


def _last_feature(node: Any) -> int:
    return max(node[0], _last_feature(node[2]), _last_feature(node[3])) if type(node) is tuple else -1


_JSON_KINDS: dict[str, Callable[[str, Mapping[str, Any]], ScoreModel]] = {
    "logistic": LogisticModel,
    "boosted-trees": BoostedTreesModel,
}
