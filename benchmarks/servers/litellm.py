"""LiteLLM's proxy with three models, one of which answers by itself, and no database."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from benchmarks.servers.client import Client
from benchmarks.servers.packages import python_environment
from benchmarks.servers.processes import start
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

VERSION = "1.108.7"
"""The release that published the shared description."""

CONFIGURATION = """\
model_list:
  - model_name: gpt-4o
    litellm_params:
      {{model: openai/gpt-4o, api_key: sk-x, api_base: "http://127.0.0.1:9/v1", mock_response: "Paris is the capital."}}
  - model_name: claude-sonnet
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_key: sk-x, api_base: "http://127.0.0.1:9"}}
  - model_name: text-embedding
    litellm_params: {{model: openai/text-embedding-3-small, api_key: sk-x, api_base: "http://127.0.0.1:9/v1"}}
router_settings: {{routing_strategy: least-busy, num_retries: 0}}
general_settings: {{master_key: {key}}}
"""


class LiteLLM(Server):
    name = "litellm"
    description = "litellm.json"
    _programs: Path

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.key = f"sk-{secrets.token_hex(24)}"

    def install(self) -> str:
        environment = python_environment("litellm", VERSION, extra="proxy")
        if isinstance(environment, str):
            return environment
        self._programs = environment
        return ""

    @property
    def client(self) -> Client:
        return Client(port=self.port, headers={"x-litellm-api-key": self.key})

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"APIKeyHeader": self.key}

    def start(self) -> None:
        configuration = self.folder / "litellm.yaml"
        configuration.write_text(CONFIGURATION.format(key=self.key), encoding="utf-8")
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DATABASE_URL")},
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
        }
        options = ["--config", str(configuration), "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = start(
            [str(self._programs / "litellm"), *options], self.folder / "log",
            lambda: self.client.answers("/health/liveliness"), seconds=120, environment=environment, folder=self.folder,
        )  # fmt: skip

    def restore(self) -> None:
        """Without a database there is nothing that a sentence could change but the models in memory."""

    def snapshot(self) -> State:
        models = self.client.get("/v1/models")["data"]
        return {f"model {model['id']}": {} for model in models}
