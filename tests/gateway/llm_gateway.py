"""A gateway whose objectives are served by LLMs of a scripted upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nlapi.gateway.control.access import Audience, Role
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.server import run_in_thread
from nlapi.gateway.records.records import decision_sink
from nlapi.gateway.shards.secret_references import AllowedReferences
from tests.gateway.clock import Clock
from tests.gateway.kit import Talk, open_store

KEY = "sk-upstream-secret"
ENVIRONMENT = {"LLM_KEY": KEY, "ORGANIZATION_TOKEN": "org-secret-token"}
KEYS = tuple(f"env:{name}" for name in (*ENVIRONMENT, "NO_SUCH_VARIABLE"))
CONTEXT = [{"name": "user"}, {"name": "country"}]


def document(url: str, *models: str, protocol: str = "openai", **parts: Any) -> dict[str, Any]:
    """A configuration with an objective for each model of the upstream, which is called like it."""
    base = f"{url}/v1" if protocol == "openai" else url
    shard = {"name": "llm", "protocol": protocol, "endpoints": [base], "key": "env:LLM_KEY"}
    local = {"model": "rules", "version": "v1", "source": "rules"}
    versions = [{"model": name, "version": "v1", "shard": "llm", "upstream_model": name,
                 "input_price": 2.0, "output_price": 10.0, "cached_input_price": 1.0} for name in models]  # fmt: skip
    objectives = [
        {"name": name, "model": name, "version": "v1", "context": CONTEXT, "timeout_ms": 20_000} for name in models
    ]
    whole = {
        "objectives": [*objectives, {"name": "rules", "model": "rules", "version": "v1", "context": CONTEXT}],
        "models": [{"name": name} for name in (*models, "rules")],
        "versions": [*versions, local],
        "shards": [{"name": "local"}, shard],
        "clients": [{"name": "web"}],
    }
    return {name: [*whole.get(name, ()), *parts.get(name, ())] for name in {**whole, **parts}}


@contextmanager
def gateway(
    folder: Path,
    configuration: Mapping[str, Any],
    *,
    environment: Mapping[str, str] = ENVIRONMENT,
    clock: Clock | None = None,
    keys: Iterable[str] = KEYS,
) -> Iterator[Talk]:
    """A gateway with this configuration, spoken to by its admin; `web` and `app` are clients, `operator` is none."""
    models = folder / "models"
    (models / "rules").mkdir(parents=True, exist_ok=True)
    (models / "rules" / "model.toml").write_text("", encoding="utf-8")
    stages = 'def predict(value: object) -> object:\n    return {"rules": True}\n'
    (models / "rules" / "stages.py").write_text(stages, encoding="utf-8")
    store = open_store(folder)
    options = {"wall_clock": clock} if clock else {}
    engine = Engine(models=models, record=decision_sink(store), environment=environment,
                    allowed_keys=AllowedReferences(keys), **options)  # fmt: skip
    app = Gateway(store, engine)
    number = len(store.tokens())
    tokens = {"admin": app.access.create_token(f"admin-{number}", Audience.ADMIN, role=Role.ADMIN)[1]}
    tokens["operator"] = app.access.create_token(f"operator-{number}", Audience.ADMIN, role=Role.OPERATOR)[1]
    for client in ("web", "app"):
        tokens[client] = app.access.create_token(f"{client}-{number}", Audience.SERVE, client=client)[1]
    with run_in_thread(app) as url:
        talk = Talk(int(url.rpartition(":")[2]), tokens["admin"], tokens, app)
        if not app.publisher.revision:
            talk.ok("PUT", "/v1/configuration", dict(configuration))
        yield talk
    store.close()
