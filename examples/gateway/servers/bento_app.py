"""The model on BentoML: bentoml serve bento_app:Shop, in an environment with bentoml, scikit-learn and pandas."""

from __future__ import annotations

from typing import Any

import bentoml
import pandas
from shop_model import fit


@bentoml.service(name="shop", workers=1)
class Shop:
    """Takes {"customers": [...]} and answers {"chances": [...]}."""

    def __init__(self) -> None:
        self.pipeline = fit()

    @bentoml.api(route="/score")
    def score(self, customers: list[dict[str, Any]]) -> dict[str, list[float]]:
        table = pandas.DataFrame(customers, columns=["age", "spent", "country"])
        return {"chances": [float(row[1]) for row in self.pipeline.predict_proba(table)]}
