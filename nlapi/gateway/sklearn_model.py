"""Runs fitted estimators of scikit-learn, on named columns too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    hide_folders,
    label_text,
    row_values,
)


class SklearnModel(TrainedModel):
    """A fitted estimator of scikit-learn, or of its interface, from a joblib or pickle file. Needs `nlapi[models]`."""

    # Loading a pickle executes code. That is no new risk: the stages beside it are code of the same author.

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
            raise self.no_classifier("is no classifier")
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
            raise ModelInputError(f"the rows for {self.file_name} are no table of values") from error


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
