"""A gateway whose objective `score` is served by a model server, as tests speak to it."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.gateway.certificates import Pair
from tests.gateway.kit import Talk
from tests.gateway.llm_gateway import gateway
from tests.servers import Echo

ENVIRONMENT = {"MODEL_KEY": "sk-model-secret", "TENANT_TOKEN": "tenant-secret-token"}
SERVE = "/v1/objectives/score/serve"


def document(
    url: str, *, shard: Mapping[str, Any] | None = None, version: Mapping[str, Any] | None = None, **objective: Any
) -> dict[str, Any]:
    """A configuration whose objective `score` is served by `ranker v8` at a URL."""
    return {
        "objectives": [{"name": "score", "model": "ranker", "version": "v8", "timeout_ms": 20_000, **objective}],
        "models": [{"name": "ranker"}, {"name": "rules"}],
        "versions": [
            {"model": "ranker", "version": "v8", "shard": "far", **(version or {})},
            {"model": "rules", "version": "v1", "source": "rules"},
        ],
        "shards": [{"name": "local"}, {"name": "far", "protocol": "oip-v2", "endpoints": [url], **(shard or {})}],
        "clients": [{"name": "web"}],
    }


@contextmanager
def model_gateway(folder: Path, configuration: Mapping[str, Any], keys: Iterable[str] = ()) -> Iterator[Talk]:
    """A gateway with this configuration, started with MODEL_KEY and TENANT_TOKEN and these references besides."""
    references = [f"env:{name}" for name in (*ENVIRONMENT, "NO_SUCH_VARIABLE")]
    with gateway(folder, configuration, environment=ENVIRONMENT, keys=[*references, *keys]) as talk:
        yield talk


def secured(server: Echo, pair: Pair, client_ca: Path | None = None) -> str:
    """Make a server that has not begun speak TLS, and return its URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.load_cert_chain(pair.certificate, pair.key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    server.use_tls(context)
    return server.url


def reason_of(talk: Talk, answer: Mapping[str, str]) -> str:
    """What operators read about a request in its recorded decision."""
    return str(talk.ok("GET", f"/v1/decisions/{answer['x-request-id']}").get("error", ""))
