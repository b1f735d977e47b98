"""Small models that scikit-learn fits and skl2onnx converts, for the tests of trained parts.

The libraries are imported where a model is fitted: it takes seconds, and every run of pytest reads this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

COUNTRIES = ("DE", "FR", "IT")
RISKS = ["low", "high", "mid"] * 4
AGES = [18 + number * 3 for number in range(12)]
SPENT = [float(number % 5) * 10.5 for number in range(12)]
CUSTOMERS = {"age": AGES, "country": [COUNTRIES[number % 2] for number in range(12)], "spent": SPENT}
NUMBERS = [[float(age), spent] for age, spent in zip(AGES, SPENT, strict=True)]


def customer_pipeline(final: Any, targets: Any, *, imputes: bool = False) -> Any:
    """A pipeline that looks columns up by name, fitted on a DataFrame."""
    import pandas
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    # skl2onnx cannot impute columns of different types at once.
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()) if imputes else StandardScaler(), ["age", "spent"]),
        (OneHotEncoder(handle_unknown="ignore"), ["country"]),
    )
    return make_pipeline(columns, final).fit(pandas.DataFrame(CUSTOMERS), targets)


def fit(name: str) -> Any:
    """A fitted estimator of a kind."""
    import numpy
    import pandas
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    frame = pandas.DataFrame(CUSTOMERS)
    match name:
        case "risk":
            return customer_pipeline(LogisticRegression(), RISKS)
        case "risk of what is known":
            return customer_pipeline(LogisticRegression(), RISKS, imputes=True)
        case "two values":
            return customer_pipeline(LinearRegression(), numpy.array([AGES, SPENT]).T)
        case "one value":
            return customer_pipeline(LinearRegression(), SPENT)
        case "numbers":
            return LogisticRegression().fit(NUMBERS, [1, 3] * 6)
        case "named numbers":
            return HistGradientBoostingClassifier(max_iter=3).fit(frame[["age", "spent"]], [True, False] * 6)
        case "labels":
            return LinearSVC().fit(NUMBERS, RISKS)
        case "two labels":
            return MultiOutputClassifier(LogisticRegression()).fit(NUMBERS, [[risk, risk[:1]] for risk in RISKS])
        case "texts":
            return make_pipeline(CountVectorizer(), LogisticRegression()).fit(["good day", "bad day"] * 3, [1, 0] * 3)
        case "mappings":
            return make_pipeline(DictVectorizer(), LinearRegression()).fit([{"a": 1}, {"b": 2}], [1, 2])
    raise KeyError(name)


def write_joblib(folder: Path, name: str) -> Path:
    """The file of a fitted estimator."""
    import joblib

    file = folder / "model.joblib"
    joblib.dump(fit(name), file)
    return file


def write_onnx(folder: Path, name: str, *, zipmap: bool = True) -> Path:
    """The ONNX file of a fitted estimator; without `zipmap` its labels are not in the probabilities."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    estimator = fit(name)
    columns = [
        ("age", Int64TensorType([None, 1])),
        ("country", StringTensorType([None, 1])),
        ("spent", FloatTensorType([None, 1])),
    ]
    types = [("input", FloatTensorType([None, 2]))] if name == "numbers" else columns
    options = {"zipmap": zipmap} if name in ("numbers", "risk") else None
    model = to_onnx(estimator, initial_types=types, options=options and {id(estimator): options}, target_opset=18)
    file = folder / "model.onnx"
    file.write_bytes(model.SerializeToString())
    return file
