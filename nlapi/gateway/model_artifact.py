"""The trained model of a version: JSON that is evaluated in plain Python, an ONNX file or a scikit-learn file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson

from nlapi.errors import DescriptionError
from nlapi.extras import install_hint

FeatureRow = Sequence[float]

_INSTALL_HINT = install_hint("models")


class TrainedModel(Protocol):
    """A trained model, which the stages of a version receive as `model`."""

    def predict(self, row: FeatureRow) -> float:
        """Return the model's output for one row of features."""


def load_model(file: Path) -> TrainedModel:
    """Load the model of a `.json`, `.onnx`, `.joblib` or `.pkl` file. DescriptionError when it cannot be read."""
    if file.suffix == ".onnx":
        return OnnxModel(file)
    if file.suffix in (".joblib", ".pkl"):
        return SklearnModel(file)
    try:
        document = orjson.loads(file.read_bytes())
        return _JSON_KINDS[document["kind"]](document)
    except OSError as error:
        raise DescriptionError(f"{file.name}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError) as error:
        kinds = ", ".join(sorted(_JSON_KINDS))
        raise DescriptionError(
            f"{file.name} is not a model: {type(error).__name__}: {error}",
            hint=f'a JSON object with a "kind" ({kinds}) and its numbers, or an .onnx, .joblib or .pkl file',
        ) from error


def sigmoid(value: float) -> float:
    """Return 1 / (1 + e^-value)."""
    # Two forms: math.exp overflows above 709, and each form has an exponent that is never positive.
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    small = math.exp(value)
    return small / (1.0 + small)


class LogisticModel:
    """A logistic regression with `weights` and `bias` over features that are scaled by `mean` and `scale`."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        weights = [float(weight) for weight in document["weights"]]
        means = document.get("mean") or [0.0] * len(weights)
        scales = document.get("scale") or [1.0] * len(weights)
        # The scaling is folded into the weights once, so that a prediction has one multiplication for each feature.
        self._weights = [weight / scale for weight, scale in zip(weights, scales, strict=True)]
        shift = sum(weight * mean for weight, mean in zip(self._weights, means, strict=True))
        self._bias = float(document["bias"]) - shift

    def predict(self, row: FeatureRow) -> float:
        """Return the probability for one row."""
        return sigmoid(sum(map(float.__mul__, self._weights, map(float, row)), self._bias))


class BoostedTreesModel:
    """Gradient boosted trees for a probability: the sigmoid of `base` + the sum of the `trees`' leaves.

    A node is a number (a leaf) or [feature, threshold, node where feature <= threshold, other node].
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._base = float(document["base"])
        self._trees = [_parse_node(tree) for tree in document["trees"]]

    def predict(self, row: FeatureRow) -> float:
        """Return the probability for one row."""
        total = self._base
        for tree in self._trees:
            node = tree
            while type(node) is tuple:
                node = node[2] if row[node[0]] <= node[1] else node[3]
            total += node
        return sigmoid(total)


def _parse_node(node: Any) -> Any:
    if isinstance(node, int | float):
        return float(node)
    feature, threshold, low, high = node
    return int(feature), float(threshold), _parse_node(low), _parse_node(high)


class OnnxModel:
    """An ONNX model with one input of rows and one number a row out. Needs `nlapi[models]`."""

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise DescriptionError(f"{file.name} needs onnxruntime", hint=_INSTALL_HINT) from error
        try:
            self._session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an exception class for each fault
            raise DescriptionError(f"{file.name} is not an ONNX model: {type(error).__name__}") from error
        self._input = self._session.get_inputs()[0].name

    def predict(self, row: FeatureRow) -> float:
        """Return the last number of the last output for one row, a classifier's probability of the positive class."""
        import numpy

        last = self._session.run(None, {self._input: numpy.asarray([row], dtype=numpy.float32)})[-1]
        # skl2onnx writes a classifier's output as a list of {class: probability} by default (ZipMap).
        if isinstance(last, list) and last and isinstance(last[0], dict):
            last = list(last[0].values())
        return float(numpy.ravel(last)[-1])


class SklearnModel:
    """A fitted estimator of scikit-learn, or of its interface, from a joblib or pickle file. Needs `nlapi[models]`."""

    # Loading a pickle executes code. That is no new risk: the stages beside it are code of the same author.

    def __init__(self, file: Path) -> None:
        try:
            import joblib
        except ImportError as error:
            raise DescriptionError(f"{file.name} needs scikit-learn", hint=_INSTALL_HINT) from error
        try:
            self.estimator = joblib.load(file)
        except ImportError as error:
            raise DescriptionError(f"{file.name} needs {error.name}, which is not installed") from error
        except Exception as error:  # a pickle may raise anything
            raise DescriptionError(f"{file.name} cannot be loaded: {type(error).__name__}: {error}") from error
        predict = getattr(self.estimator, "predict_proba", None) or getattr(self.estimator, "predict", None)
        if not callable(predict):
            hint = "it has neither predict_proba nor predict"
            raise DescriptionError(f"{file.name} is a {type(self.estimator).__name__}, no estimator", hint=hint)
        self._predict = predict

    def predict(self, row: FeatureRow) -> float:
        """Return a classifier's probability of the last class, or a regressor's value, for one row."""
        import numpy

        return float(numpy.ravel(self._predict([row]))[-1])


_JSON_KINDS: dict[str, Callable[[Mapping[str, Any]], TrainedModel]] = {
    "logistic": LogisticModel,
    "boosted-trees": BoostedTreesModel,
}
