"""The metrics as Prometheus reads them, and the dashboard and the alerts, which name nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from nlapi.gateway.records.exposition import MAX_CLIENT_LABELS, OTHER_CLIENTS
from nlapi.gateway.records.metrics import ClientMetrics
from tests.gateway import llm_gateway
from tests.gateway.kit import Talk, gateway, write_models
from tests.gateway.llm_upstream import upstream
from tests.gateway.versions import write

FOLDER = Path(__file__).parents[2] / "examples" / "gateway" / "monitoring"
# Labels that Prometheus adds to what it reads.
ADDED_LABELS = {"job", "instance"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A gateway that has served, failed, fallen back, refused and copied."""
    folder = tmp_path_factory.mktemp("gateway")
    write_models(folder / "models")
    write(folder / "models" / "fraud-v2", "def predict(value):\n    raise ValueError('no')\n")
    with gateway(folder) as talk:
        talk.ok("POST", "/v1/shadows", {"objective": "recommend", "model": "popular", "version": "v1", "percent": 100})
        fallback = {"model": "fraud", "version": "v2", "fallback_model": "fraud", "fallback_version": "v1"}
        talk.ok("PATCH", "/v1/objectives/payment-fraud", {**fallback, "idempotent": True})
        talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "fraud", "version": "v2"})
        web = talk.as_("web")
        for _ in range(3):
            web.ok("POST", "/v1/objectives/recommend/serve", {"input": 1})
        web.ok("POST", "/v1/objectives/payment-fraud/serve", {"input": 1})
        assert web("POST", "/v1/objectives/continue-watching/serve", {"input": {}}).status == 502
        web.refused(422, "POST", "/v1/objectives/recommend/serve", {"input": 1, "context": {"nothing": 1}})
        web.refused(422, "POST", "/v1/objectives/recommend/serve", {"output": 1})
        web.refused(404, "POST", "/v1/objectives/nothing/serve", {"input": 1})
        yield talk


@pytest.fixture(scope="module")
def samples(served: Talk) -> list[Sample]:
    return exported_samples(served)


@pytest.fixture(scope="module")
def llm_samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """What a gateway exports that has streamed an answer of an LLM."""
    with (
        upstream() as llm,
        llm_gateway.gateway(tmp_path_factory.mktemp("llm"), llm_gateway.document(llm.url, "writer")) as talk,
    ):
        body = {"input": {"messages": [{"role": "user", "content": "hello"}], "stream": True}}
        assert talk.as_("web")("POST", "/v1/objectives/writer/serve", body).status == 200
        return exported_samples(talk)


def exported_samples(talk: Talk) -> list[Sample]:
    answer = talk("GET", "/metrics")
    families = list(text_string_to_metric_families(answer.content.decode()))
    assert len({family.name for family in families}) == len(families)
    kinds = ("counter", "gauge", "histogram", "summary")
    assert all(family.documentation and family.type in kinds for family in families)
    return [sample for family in families for sample in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    (found,) = (sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())
    return float(found)


def test_each_client_s_requests_are_counted_by_what_came_of_them(samples: list[Sample]) -> None:
    for outcome, count in (("ok", 4), ("error", 1), ("refused", 3)):
        assert value(samples, "nlapi_client_requests_total", client="web", outcome=outcome) == count
    assert value(samples, "nlapi_client_request_seconds_total", client="web") > 0


def test_a_version_that_failed_was_not_refused(samples: list[Sample]) -> None:
    assert not [one for one in samples if one.name == "nlapi_refused_total" and one.labels["status"] == "502"]


def test_the_number_of_clients_is_bounded() -> None:
    clients = ClientMetrics()
    for number in range(2 * MAX_CLIENT_LABELS):
        clients.observe(f"client-{number}", "ok")
    families = text_string_to_metric_families("\n".join([*clients.lines(), ""]))
    counts = {sample.labels["client"]: sample.value for family in families for sample in family.samples
              if sample.name == "nlapi_client_requests_total"}  # fmt: skip
    assert len(counts) == MAX_CLIENT_LABELS + 1
    assert counts[OTHER_CLIENTS] == MAX_CLIENT_LABELS


def test_the_process_is_measured(samples: list[Sample]) -> None:
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                 "process_start_time_seconds"):  # fmt: skip
        assert value(samples, name) > 0, name
    assert value(samples, "python_gc_collections_total", generation="0") >= 0
    assert value(samples, "nlapi_build_info") == 1
    assert value(samples, "nlapi_event_loop_lag_seconds_bucket", le="+Inf") == value(
        samples, "nlapi_event_loop_lag_seconds_count"
    )


def expressions(node: Any) -> Iterator[str]:
    """All queries in a file."""
    if isinstance(node, dict):
        for key, item in node.items():
            if key in ("expr", "query", "definition") and isinstance(item, str):
                yield item
            else:
                yield from expressions(item)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item)


def files() -> dict[str, list[str]]:
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    alerts = yaml.safe_load((FOLDER / "prometheus-alerts.yaml").read_text(encoding="utf-8"))
    return {"dashboard": list(expressions(dashboard)), "alerts": list(expressions(alerts))}


@pytest.mark.parametrize("name", ["dashboard", "alerts"])
def test_every_metric_and_label_that_a_file_names_is_exported(
    samples: list[Sample], llm_samples: list[Sample], name: str
) -> None:
    labels_of: dict[str, set[str]] = {}
    for sample in (*samples, *llm_samples):
        labels_of.setdefault(sample.name, set()).update(sample.labels)
    queries = [query for query in files()[name] if query != "prometheus"]
    assert len(queries) > 10
    for query in queries:
        metrics = set(re.findall(r"\b(?:nlapi|process|python)_[a-z_]+\b", query))
        assert metrics <= labels_of.keys(), query
        assert metrics or query.startswith("up{")
        exported = {label for metric in metrics for label in labels_of[metric]}
        used = {label for group in re.findall(r"\{([^{}]*)\}", query) for label in re.findall(r"(\w+)=", group)}
        used |= {label for group in re.findall(r"by \(([^)]*)\)", query) for label in re.split(r",\s*", group)}
        assert used <= exported | ADDED_LABELS, query


def test_an_llm_s_tokens_dollars_and_first_token_are_shown_by_client_and_version() -> None:
    queries = files()["dashboard"]
    for metric in ("nlapi_llm_tokens_total", "nlapi_llm_cost_dollars_total", "nlapi_llm_[a-z_]*first_token_seconds"):
        groups = {match for query in queries for match in re.findall(rf"by \(([^)]*)\) \(rate\({metric}", query)}
        assert any("client" in group for group in groups), metric
        assert any("version" in group for group in groups), metric


def test_a_client_s_first_tokens_are_counted(llm_samples: list[Sample]) -> None:
    labels = {"objective": "writer", "version": "v1", "client": "web"}
    assert value(llm_samples, "nlapi_llm_client_first_token_seconds_count", **labels) == 1
    assert value(llm_samples, "nlapi_llm_client_first_token_seconds_sum", **labels) > 0


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    named = {name for query in files()["dashboard"] for name in re.findall(r"\$(\w+)", query)}
    assert named <= variables | {"__rate_interval"}


def test_an_alert_has_a_summary_and_a_severity() -> None:
    alerts = yaml.safe_load((FOLDER / "prometheus-alerts.yaml").read_text(encoding="utf-8"))
    for rule in alerts["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"]
