"""The trained model of a version: JSON that is evaluated in plain Python, an ONNX file or a scikit-learn file."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from nlapi.errors import DescriptionError, NlapiError, install_hint

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

    def no_classifier(self, reason: str = "is not a classifier with probabilities", hint: str = "") -> ModelInputError:
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


_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}
"""The element types of inputs and their names in numpy"""


class OnnxModel(TrainedModel):
    """An ONNX model. Needs `nlapi[models]`.

    With an input for each column its `columns` are the names of the inputs. Its last output holds the numbers: the
    probabilities of a classifier, whose labels are in that output (ZipMap of skl2onnx) or in model.toml, or the values
    of a regressor.
    """

    def __init__(self, file: Path, columns: Sequence[str] = (), labels: Sequence[Label] = ()) -> None:
        self.file_name = file.name
        self._session = _open_session(file)
        inputs = self._session.get_inputs()
        for item in inputs:
            if item.type not in _TYPES:
                hint = f"one of {', '.join(sorted(_TYPES))}"
                raise DescriptionError(f"{file.name}: the input {item.name!r} has the type {item.type}", hint=hint)
        self._inputs = [(item.name, _TYPES[item.type], list(item.shape)) for item in inputs]
        self._is_columnar = len(inputs) > 1 or list(inputs[0].shape[1:]) == [1]
        width = len(inputs) if self._is_columnar else _fixed_size(inputs[0].shape)
        if columns and width not in (None, len(columns)):
            message = f"model.toml: trained.columns are {len(columns)}, and {file.name} takes {width}"
            raise DescriptionError(message, hint="name the columns in the order in which the model takes them")
        self.columns = tuple(columns) or (tuple(item.name for item in inputs) if self._is_columnar else ())
        self._width = len(self.columns) or width
        self.labels = tuple(labels)
        # skl2onnx and others write a classifier as its labels and its probabilities, in this order.
        outputs = self._session.get_outputs()
        has_label = len(outputs) > 1 and outputs[0].type in ("tensor(int64)", "tensor(string)")
        self._output_names = [output.name for output in outputs]
        self._label_output = self._output_names[:1] if has_label else []
        self._is_classifier = has_label or bool(labels)
        # A model that was exported with a batch of one takes one row at a time.
        self._takes_batches = all(not item.shape or item.shape[0] != 1 for item in inputs)

    def predict_many(self, rows: Sequence[FeatureRow]) -> list[Prediction]:
        """Return a classifier's probability of the last class, or a regressor's value, or values, for each row."""
        outputs = self._run(self._output_names[-1], rows)
        return [_as_prediction(output, is_classifier=self._is_classifier) for output in outputs]

    def probabilities_many(self, rows: Sequence[FeatureRow]) -> list[dict[str, float]]:
        """Return the probabilities of all classes for each row. ModelInputError when the labels are not known."""
        result = []
        for output in self._run(self._output_names[-1], rows):
            if isinstance(output, dict):
                values = list(output.values())
                labels: Sequence[Label] = self.labels or list(output)
            elif not self._is_classifier:
                raise self.no_classifier()
            else:
                values, labels = list(output), self.labels
            if len(labels) != len(values):
                reason = f"does not say the labels of its {len(values)} classes"
                raise self.no_classifier(reason, "name them in model.toml: [trained] labels")
            result.append(dict(zip(map(label_text, labels), map(float, values), strict=True)))
        return result

    def classify_many(self, rows: Sequence[FeatureRow]) -> list[Prediction]:
        """Return the label that the model decides for, for each row."""
        # The labels of model.toml stand for those of the file, which has no order of its classes.
        if self._label_output and not self.labels:
            return self._run(self._label_output[0], rows)
        return super().classify_many(rows)

    def _run(self, output_name: str, rows: Sequence[FeatureRow]) -> list[Any]:
        batch = [row_values(row, self.columns, self._width, self.file_name) for row in as_rows(rows, self.file_name)]
        parts = [batch] if self._takes_batches else [[values] for values in batch]
        return [output for part in parts if part for output in self._run_part(output_name, part)]

    def _run_part(self, output_name: str, batch: list[list[Any]]) -> list[Any]:
        tensors = self._tensors(batch)
        try:
            (output,) = self._session.run([output_name], tensors)
        except Exception as error:  # onnxruntime has an exception class for each fault
            raise ModelRunError(self.file_name, error, self.columns) from error
        values: list[Any] = output if isinstance(output, list) else output.tolist()
        return values

    def _tensors(self, batch: list[list[Any]]) -> dict[str, Any]:
        if not self._is_columnar:
            name, dtype, _ = self._inputs[0]
            return {name: _tensor(batch, dtype, f"the input {name!r} of {self.file_name}")}
        tensors = {}
        for index, ((name, dtype, shape), column) in enumerate(zip(self._inputs, self.columns, strict=True)):
            tensor = _tensor([values[index] for values in batch], dtype, f"column {column!r}")
            tensors[name] = tensor.reshape(len(batch), 1) if len(shape) == 2 and tensor.ndim == 1 else tensor
        return tensors


def _open_session(file: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DescriptionError(f"{file.name} needs onnxruntime", hint=install_hint("models")) from error
    try:
        return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class for each fault
        message = f"{file.name} is not an ONNX model: {type(error).__name__}: {clean_failure(str(error))}"
        raise DescriptionError(message) from error


def _fixed_size(shape: Sequence[Any]) -> int | None:
    """Return the number of values in a row of an input of rank 2, or None when any number fits."""
    return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None


def _tensor(values: list[Any], dtype: str, location: str) -> Any:
    """Return values as a tensor. ModelInputError, without the value, when one has another type."""
    import numpy

    try:
        array = numpy.asarray(values, dtype=None if dtype.startswith(("int", "uint", "bool")) else dtype)
        is_suitable = _suits(array, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelInputError(f"{location} takes {dtype}, and a row has another type") from error
    if not is_suitable:
        raise ModelInputError(f"{location} takes {'texts' if dtype == 'object' else dtype}, and a row has another type")
    return array.astype(dtype, copy=False)


def _suits(array: Any, dtype: str) -> bool:
    if dtype == "object":
        return all(isinstance(value, str) for value in array.flat)
    if dtype.startswith(("int", "uint")):
        # A conversion would cut 3.7 to 3 and let 300 overflow an int8 without a word.
        converted = array.astype(dtype)
        return array.dtype.kind in "iufb" and bool((converted == array).all())
    return dtype != "bool" or array.dtype.kind == "b" or set(array.flat) <= {0, 1}


def _as_prediction(output: Any, *, is_classifier: bool) -> Prediction:
    if isinstance(output, dict):
        return float(list(output.values())[-1])
    while isinstance(output, list) and len(output) == 1:
        output = output[0]
    if not isinstance(output, list):
        return output if isinstance(output, str) else float(output)
    return float(output[-1]) if is_classifier else output


class SklearnModel(TrainedModel):
    """A fitted estimator of scikit-learn, or of its interface, from a joblib or pickle file. Needs `nlapi[models]`."""

    # Loading a pickle executes code. That is not a new risk: the stages beside it are code of the same author.

    def __init__(self, file: Path, columns: Sequence[str] = (), labels: Sequence[Label] = ()) -> None:
        self.file_name = file.name
        self.estimator = _load_estimator(file)
        if not callable(getattr(self.estimator, "predict", None) or getattr(self.estimator, "predict_proba", None)):
            hint = "it has neither predict_proba nor predict"
            raise DescriptionError(f"{file.name} is a {type(self.estimator).__name__}, no estimator", hint=hint)
        fitted_columns = tuple(map(str, getattr(self.estimator, "feature_names_in_", ())))
        # None for what takes no table: a pipeline that begins with a vectorizer takes texts or mappings as they are.
        width = getattr(self.estimator, "n_features_in_", None)
        if columns and (width not in (None, len(columns)) or (fitted_columns and fitted_columns != tuple(columns))):
            message = f"model.toml: trained.columns are not those that {file.name} was fitted on"
            raise DescriptionError(message, hint=", ".join(fitted_columns) or f"it was fitted on {width} columns")
        self.columns = fitted_columns or tuple(columns)
        self._width = len(self.columns) or width
        classes = getattr(self.estimator, "classes_", ())
        # A classifier with several outputs has a list of arrays.
        self._class_lists = [_plain(item) for item in classes] if isinstance(classes, list) else [_plain(classes)]
        if len(self._class_lists) == 1 and self._class_lists[0]:
            if labels and len(labels) != len(self._class_lists[0]):
                message = f"model.toml: trained.labels are {len(labels)}, and {file.name} has other classes"
                raise DescriptionError(message, hint=", ".join(map(str, self._class_lists[0])))
            self.labels = tuple(labels or self._class_lists[0])
        self._frame = _find_frame(self.estimator, file.name) if fitted_columns else None

    def predict_many(self, rows: Sequence[FeatureRow]) -> list[Prediction]:
        """Return the probability of the last class, or a regressor's value, or values, for each row."""
        if not hasattr(self.estimator, "predict_proba"):
            outputs = self._run("predict", rows)
            is_regressor = not self._class_lists[0]
            return [_as_floats(output) if is_regressor else output for output in outputs]
        outputs = self._run("predict_proba", rows)
        if len(self._class_lists) > 1:
            return [[float(row[-1]) for row in output] for output in zip(*outputs, strict=True)]
        return [float(output[-1]) for output in outputs]

    def probabilities_many(self, rows: Sequence[FeatureRow]) -> list[dict[str, float]]:
        """Return the probabilities of all classes for each row. ModelInputError when the model has none."""
        if len(self._class_lists) > 1:
            raise self.no_classifier("classifies several outputs", "use model.predict, or model.estimator")
        if not self.labels or not hasattr(self.estimator, "predict_proba"):
            raise self.no_classifier()
        outputs = self._run("predict_proba", rows)
        return [dict(zip(map(label_text, self.labels), map(float, output), strict=True)) for output in outputs]

    def classify_many(self, rows: Sequence[FeatureRow]) -> list[Prediction]:
        """Return the estimator's own decision for each row, a list of labels where it has several outputs."""
        if not any(self._class_lists):
            raise self.no_classifier("is not a classifier")
        outputs = self._run("predict", rows)
        if len(self._class_lists) > 1 or self.labels == tuple(self._class_lists[0]):
            return outputs
        names = dict(zip(self._class_lists[0], self.labels, strict=True))
        return [names[output] for output in outputs]

    def _run(self, method: str, rows: Sequence[FeatureRow]) -> list[Any]:
        batch = as_rows(rows, self.file_name)
        if not batch:
            return []
        table = self._table(batch)
        try:
            return _plain(getattr(self.estimator, method)(table))
        except Exception as error:  # estimators are code of anybody and may raise anything
            raise ModelRunError(self.file_name, error, self.columns) from error

    def _table(self, rows: list[Any]) -> Any:
        """Return the rows in the form that the estimator was fitted on: a DataFrame, an array, or as they are."""
        if self._width is None:
            return rows
        values = [row_values(row, self.columns, self._width, self.file_name) for row in rows]
        if self._frame is not None:
            return self._frame(dict(zip(self.columns, map(list, zip(*values, strict=True)), strict=True)))
        import numpy

        # Numbers beside texts would all become texts.
        is_mixed = any(isinstance(value, str) or value is None for row in values for value in row)
        try:
            return numpy.asarray(values, dtype=object if is_mixed else None)
        except ValueError as error:
            raise ModelInputError(f"the rows for {self.file_name} are not a table of values") from error


def _load_estimator(file: Path) -> Any:
    try:
        import joblib
    except ImportError as error:
        raise DescriptionError(f"{file.name} needs scikit-learn", hint=install_hint("models")) from error
    try:
        return joblib.load(file)
    except ModuleNotFoundError as error:
        hint = install_hint("models") if error.name in ("sklearn", "pandas", "numpy") else ""
        raise DescriptionError(f"{file.name} needs {error.name}, which is not installed", hint=hint) from error
    except Exception as error:  # a pickle may raise anything
        message = f"{file.name} cannot be loaded: {type(error).__name__}: {hide_folders(str(error))}"
        raise DescriptionError(message) from error


def _find_frame(estimator: Any, file_name: str) -> Callable[[dict[str, list[Any]]], Any] | None:
    """Return the function that builds a DataFrame of columns, or None for an estimator that does without."""
    try:
        import pandas
    except ImportError as error:
        # One estimator takes an array in the same order; what consists of several may look columns up by name.
        if not any(hasattr(estimator, name) for name in ("steps", "transformers", "transformer_list", "estimator")):
            return None
        message = f"{file_name} was fitted on named columns and needs pandas, which is not installed"
        raise DescriptionError(message, hint=install_hint("models")) from error

    # scikit-learn takes an object for a missing number and not a number for a missing text; other libraries have
    # tables of numbers alone.
    of_missing = object if type(estimator).__module__.startswith("sklearn.") else float

    # The output for a row must not depend on the other rows of its batch, which pandas would infer a type from.
    def build_column(values: list[Any]) -> Any:
        cells = [float("nan") if value is None else value for value in values]
        if all(value is None for value in values):
            return pandas.Series(cells, dtype=of_missing)
        is_number = all(value is None or hasattr(value, "__float__") for value in values)
        return pandas.Series(cells, dtype=None if is_number else object)

    return lambda columns: pandas.DataFrame({name: build_column(values) for name, values in columns.items()})


def _plain(values: Any) -> list[Any]:
    """Return arrays, or lists of arrays, as lists of plain Python values."""
    if hasattr(values, "toarray"):  # sparse, of a classifier with many labels
        values = values.toarray()
    if hasattr(values, "tolist"):
        values = values.tolist()
    return [_plain(item) if hasattr(item, "tolist") or isinstance(item, list | tuple) else item for item in values]


def _as_floats(output: Any) -> Prediction:
    if not isinstance(output, list):
        return float(output)
    return float(output[0]) if len(output) == 1 else list(map(float, output))


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
