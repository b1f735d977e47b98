"""Fits the model that all servers of this folder serve: python shop_model.py FILE, with scikit-learn and pandas.

A pipeline on the named columns of a DataFrame, which gives the chance that a customer buys again. The data is made up.
"""

from __future__ import annotations

import random
import sys

import joblib
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

COUNTRIES = ("BR", "DE", "FR")


def made_up_customers(count: int, seed: int = 7) -> tuple[pandas.DataFrame, list[int]]:
    """Return customers with age, amount spent and country, and whether each bought again."""
    numbers = random.Random(seed)
    rows = [
        {"age": numbers.randint(18, 80), "spent": round(numbers.expovariate(0.01), 2), "country": country}
        for country in numbers.choices(COUNTRIES, k=count)
    ]
    bought = [int(row["spent"] / 100 + (row["country"] == "BR") > numbers.gauss(1.2, 0.5)) for row in rows]
    return pandas.DataFrame(rows), bought


def fit() -> Pipeline:
    """Return a pipeline that finds its columns by name."""
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "spent"]),
            ("country", OneHotEncoder(handle_unknown="ignore"), ["country"]),
        ]
    )
    frame, bought = made_up_customers(500)
    return Pipeline([("columns", columns), ("classify", LogisticRegression())]).fit(frame, bought)


if __name__ == "__main__":
    joblib.dump(fit(), sys.argv[1])
