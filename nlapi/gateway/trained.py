"""The trained part of a version: a model in JSON, evaluated in plain Python, an ONNX or a scikit-learn file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson

from nlapi.errors import DescriptionError
from nlapi.extras import install_hint

Row = Sequence[float]

_INSTALL = install_hint("models")


class Trained(Protocol):
    """A trained model: what `model` is in the functions of a version."""

    def predict(self, row: Row) -> float:
        """The model's output for one row of features."""


def load(file: Path) -> Trained:
    """The trained model of a `.json`, `.onnx`, `.joblib` or `.pkl` file. DescriptionError when it cannot be read."""
    if file.suffix == ".onnx":
        return Onnx(file)
    if file.suffix in (".joblib", ".pkl"):
        return Estimator(file)
    try:
        document = orjson.loads(file.read_bytes())
        return _KINDS[document["kind"]](document)
    except OSError as error:
        raise DescriptionError(f"{file.name}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError) as error:
        kinds = ", ".join(sorted(_KINDS))
        raise DescriptionError(
            f"{file.name} is not a model: {type(error).__name__}: {error}",
            hint=f'a JSON object with a "kind" ({kinds}) and its numbers, or an .onnx, .joblib or .pkl file',
        ) from error


def sigmoid(value: float) -> float:
    """1 / (1 + e^-value), without overflow."""
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    small = math.exp(value)
    return small / (1.0 + small)


class Logistic:
    """A logistic regression: `weights` and `bias` over features that are scaled by `mean` and `scale`."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        weights = [float(weight) for weight in document["weights"]]
        means = document.get("mean") or [0.0] * len(weights)
        scales = document.get("scale") or [1.0] * len(weights)
        # The scaling is folded into the weights: one multiplication a feature is left.
        self._weights = [weight / scale for weight, scale in zip(weights, scales, strict=True)]
        shift = sum(weight * mean for weight, mean in zip(self._weights, means, strict=True))
        self._bias = float(document["bias"]) - shift

    def predict(self, row: Row) -> float:
        """The probability for one row."""
        return sigmoid(sum(map(float.__mul__, self._weights, map(float, row)), self._bias))


class BoostedTrees:
    """Gradient boosted trees for a probability: `base` + the sum of the `trees`' leaves, through a sigmoid.

    A node is a number (a leaf) or [feature, threshold, node where feature <= threshold, other node].
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._base = float(document["base"])
        self._trees = [_node(tree) for tree in document["trees"]]

    def predict(self, row: Row) -> float:
        """The probability for one row."""
        total = self._base
        for tree in self._trees:
            node = tree
            while type(node) is tuple:
                node = node[2] if row[node[0]] <= node[1] else node[3]
            total += node
        return sigmoid(total)


def _node(node: Any) -> Any:
    if isinstance(node, int | float):
        return float(node)
    feature, threshold, low, high = node
    return int(feature), float(threshold), _node(low), _node(high)


class Onnx:
    """An ONNX model with one input of rows and one number a row out. Needs `nlapi[models]`."""

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise DescriptionError(f"{file.name} needs onnxruntime", hint=_INSTALL) from error
        try:
            self._session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own for each thing that is wrong
            raise DescriptionError(f"{file.name} is not an ONNX model: {type(error).__name__}") from error
        self._input = self._session.get_inputs()[0].name

    def predict(self, row: Row) -> float:
        """The last number of the last output for one row: the probability of the positive class in a classifier."""
        import numpy

        last = self._session.run(None, {self._input: numpy.asarray([row], dtype=numpy.float32)})[-1]
        if isinstance(last, list) and last and isinstance(last[0], dict):  # class -> probability, as converters like it
            last = list(last[0].values())
        return float(numpy.ravel(last)[-1])


class Estimator:
    """A fitted estimator of scikit-learn, or anything of its form that joblib or pickle kept. Needs `nlapi[models]`.

    Such a file is code as much as the stages beside it are: whoever wrote it can do anything here.
    """

    def __init__(self, file: Path) -> None:
        try:
            import joblib
        except ImportError as error:
            raise DescriptionError(f"{file.name} needs scikit-learn", hint=_INSTALL) from error
        try:
            self.estimator = joblib.load(file)
        except ImportError as error:
            raise DescriptionError(f"{file.name} needs {error.name}, which is not installed") from error
        except Exception as error:  # whatever a pickle may raise
            raise DescriptionError(f"{file.name} cannot be loaded: {type(error).__name__}: {error}") from error
        predict = getattr(self.estimator, "predict_proba", None) or getattr(self.estimator, "predict", None)
        if not callable(predict):
            hint = "it has neither predict_proba nor predict"
            raise DescriptionError(f"{file.name} is a {type(self.estimator).__name__}, no estimator", hint=hint)
        self._predict = predict

    def predict(self, row: Row) -> float:
        """For one row, a classifier's probability of the last class, or a regressor's value."""
        import numpy

        return float(numpy.ravel(self._predict([row]))[-1])


_KINDS: dict[str, Callable[[Mapping[str, Any]], Trained]] = {"logistic": Logistic, "boosted-trees": BoostedTrees}
