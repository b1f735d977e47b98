"""Three stages on Ray Serve: python ray_app.py PORT, in an environment with ray[serve], scikit-learn and pandas.

Each stage is a deployment of its own with its own replicas; the first calls the others by their handles.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import pandas
import ray
from fastapi import Body, FastAPI, HTTPException
from ray import serve
from ray.serve.handle import DeploymentHandle
from shop_model import fit

api = FastAPI()
CUSTOMERS = Body(embed=True)


@serve.deployment(ray_actor_options={"num_cpus": 0.2})
class Features:
    """Turns the rows of a request into a table."""

    def __call__(self, customers: list[dict[str, Any]]) -> pandas.DataFrame:
        return pandas.DataFrame(customers, columns=["age", "spent", "country"])


@serve.deployment(ray_actor_options={"num_cpus": 0.2})
class Model:
    """The trained pipeline."""

    def __init__(self) -> None:
        self.pipeline = fit()

    def __call__(self, table: pandas.DataFrame) -> list[float]:
        return [float(row[1]) for row in self.pipeline.predict_proba(table)]


@serve.deployment(ray_actor_options={"num_cpus": 0.2})
@serve.ingress(api)
class Shop:
    """Takes {"customers": [...]} and answers {"chances": [...]}."""

    def __init__(self, features: DeploymentHandle, model: DeploymentHandle) -> None:
        self.features = features
        self.model = model

    @api.post("/")
    async def score(self, customers: list[dict[str, Any]] = CUSTOMERS) -> dict[str, Any]:
        missing = sorted({"age", "spent", "country"}.difference(*customers)) if customers else ["customers"]
        if missing:
            raise HTTPException(422, f"the customers lack {', '.join(missing)}")
        return {"chances": await self.model.remote(self.features.remote(customers))}

    @api.get("/ready")
    async def ready(self) -> dict[str, Any]:
        """Answer when every stage does; Ray's own /-/healthz answers before they have started."""
        return await self.score([{"age": 40, "spent": 0.0, "country": "DE"}])


def main(port: int) -> None:
    # Bounded, and on loopback as far as Ray allows: its worker processes listen on all addresses of the machine.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        ray.init(
            num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False, _node_ip_address="127.0.0.1",
            _temp_dir=folder, log_to_driver=False,
        )  # fmt: skip
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": port}, proxy_location="HeadOnly")
            serve.run(Shop.bind(Features.bind(), Model.bind()), blocking=True)
        finally:
            serve.shutdown()
            ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
