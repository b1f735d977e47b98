"""Starts LiteLLM's proxy and Ray Serve from environments of their own, for benchmarks that measure beside them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MODEL = "noop"
_RAY = """
import sys, time, ray
from ray import serve
from starlette.responses import Response

BODY = {body!r}

@serve.deployment
class Model:
    async def __call__(self, request):
        content = await request.body()
        return Response(BODY or content, media_type="application/json")

ray.init(num_cpus=2, include_dashboard=False, logging_level="error", object_store_memory=100_000_000)
serve.start(http_options={{"host": "127.0.0.1", "port": int(sys.argv[1])}})
serve.run(Model.bind())
time.sleep(3600)
"""
_LITELLM = """
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_key: none, {target}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerServer:
    """The command of a server on a port of loopback, and the headers that its requests need."""

    command: list[str]
    environment: Mapping[str, str]
    headers: Mapping[str, str]
    path: str


def litellm_server(python: Path, folder: Path, port: int, *, api_base: str = "") -> PeerServer:
    """Return LiteLLM's proxy before an API of OpenAI's form, or with an answer of its own where there is none."""
    config = folder / f"litellm-{port}.yaml"
    target = f"api_base: {api_base!r}" if api_base else "mock_response: done"
    config.write_text(_LITELLM.format(model=MODEL, target=target))
    key = f"sk-{secrets.token_hex(16)}"  # it does not start without one
    command = [str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return PeerServer(
        command=[*command, "--telemetry", "False"],
        environment={
            **os.environ,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": key,
            "PATH": f"{python.parent}:{os.environ['PATH']}",
        },
        headers={"Authorization": f"Bearer {key}"},
        path="/v1/chat/completions",
    )


def ray_server(python: Path, folder: Path, port: int, *, body: bytes = b"") -> PeerServer:
    """Return Ray Serve with one deployment that answers at once: with `body`, or with what it was sent."""
    script = folder / f"ray-{port}.py"
    script.write_text(_RAY.format(body=body))
    return PeerServer(
        command=[str(python), str(script), str(port)],
        environment={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        headers={},
        path="/",
    )
