"""Runs ONNX models, with one input of rows or with an input for each column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlapi.errors import DescriptionError
from nlapi.extras import install_hint
from nlapi.gateway.model_rows import (
    FeatureRow,
    Label,
    ModelInputError,
    ModelRunError,
    Prediction,
    TrainedModel,
    as_rows,
    clean_failure,
    label_text,
    row_values,
)

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
