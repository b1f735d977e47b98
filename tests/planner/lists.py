"""Things as real servers list them, and the answer that the embedded planner makes of a list of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import nlapi
from nlapi.planner.answering.answers import answer_question
from nlapi.tools.answers.view import AnswerView
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from tests.describe import spec
from tests.planner.kit import reply

WEDNESDAY = date(2026, 5, 13)

_CASES = yaml.load((Path(__file__).parents[1] / "resources" / "things.yaml").read_text(), yaml.CSafeLoader)
_THINGS = {case["name"]: case["things"] for case in _CASES}


def things(name: str) -> list[Any]:
    """The things of that name in things.yaml, to be changed at will."""
    return copy.deepcopy(_THINGS[name])


def _alert(name: str, severity: str, instance: str, state: str, start: str) -> dict[str, Any]:
    alert = things("Alertmanager alerts")[0]
    labels = {"alertname": name, "instance": instance, "job": "node", "severity": severity}
    return {
        **alert,
        "labels": labels,
        "status": {"state": state},
        "startsAt": start,
        "fingerprint": (name + instance).encode().hex()[:16],
    }


ALERTS = [
    _alert("HighLoad", "critical", "web-1:9100", "active", "2026-05-13T09:00:00.000Z"),
    _alert("DiskFull", "warning", "db-1:9100", "suppressed", "2026-05-13T07:00:00.000Z"),
    _alert("HighLoad", "critical", "web-2:9100", "active", "2026-05-12T09:00:00.000Z"),
    _alert("CertExpiry", "info", "lb:443", "active", "2026-05-10T09:00:00.000Z"),
]


def _pod(name: str, namespace: str, phase: str, node: str, start: str = "2026-05-13T08:00:00Z") -> dict[str, Any]:
    pod = things("Kubernetes pods")[0]
    labels = {"app": name.partition("-")[0]}
    pod["metadata"] |= {"name": name, "namespace": namespace, "creationTimestamp": start, "labels": labels}
    pod["status"] |= {"phase": phase, "startTime": start}
    pod["spec"]["nodeName"] = node
    return pod


PODS = [
    _pod("coredns-1", "kube-system", "Running", "node-1"),
    _pod("coredns-2", "kube-system", "Running", "node-2"),
    _pod("proxy-1", "kube-system", "Pending", "node-1"),
    _pod("web-1", "shop", "Running", "node-1"),
    _pod("web-2", "shop", "Running", "node-2"),
    _pod("etl-1", "data", "Failed", "node-2", "2026-05-10T08:00:00Z"),
    _pod("etl-2", "data", "Succeeded", "node-1"),
]


def _campaign(n: int, name: str, status: str, objective: str, budget: int, created: str) -> dict[str, Any]:
    named = {"id": f"cmp_{n}", "name": name, "status": status, "objective": objective}
    return {**named, "daily_budget_micros": budget * 1_000_000, "currency": "USD", "created_at": created}


CAMPAIGNS = [
    _campaign(1, "Summer", "ACTIVE", "REACH", 50, "2026-05-01T00:00:00Z"),
    _campaign(2, "Winter", "PAUSED", "REACH", 20, "2026-04-01T00:00:00Z"),
    _campaign(3, "Spring", "ACTIVE", "SALES", 80, "2026-05-10T00:00:00Z"),
    _campaign(4, "Autumn", "ACTIVE", "SALES", 10, "2026-05-12T00:00:00Z"),
    _campaign(5, "Always", "PAUSED", "REACH", 120, "2025-05-01T00:00:00Z"),
]

CONTAINERS = [
    *things("Docker containers"),
    {**things("Docker containers")[0], "Id": "aa" * 32, "Names": ["/cache"], "Image": "redis:7", "Created": 1777000000},
]


def _ticket(n: int, subject: str, priority: str, status: str, created: str) -> dict[str, Any]:
    base = things("Zendesk tickets")[n % 2]
    return {**base, "id": 35436 + n, "subject": subject, "priority": priority, "status": status, "created_at": created}


TICKETS = [
    _ticket(0, "Help", "high", "open", "2026-05-13T08:00:00Z"),
    _ticket(1, "Printer", "low", "pending", "2026-05-12T08:00:00Z"),
    _ticket(2, "Refund", "high", "open", "2026-05-01T08:00:00Z"),
]

REPOS = things("GitHub repositories")
PULLS = things("GitHub pull requests")


@cache
def tool(path: str) -> nlapi.Tool:
    """The one tool of a description that has nothing but the list at `path`."""
    node = {"operationId": "list", "summary": "List them", "responses": {"200": {"description": "ok"}}}
    (only,) = nlapi.tools(spec({path: {"get": {**node, "parameters": []}}}))
    return only


def asked(question: str, path: str, listed: Any, applied: Sequence[str] = ()) -> AnswerView:
    """What is answered to a question when the list at `path` is this one."""
    call = Call(tool=tool(path), arguments={})
    step = Step(call=call, outcome=Outcome.ANSWERED, result=reply(listed))
    return answer_question(question, [step], applied=applied, today=WEDNESDAY)
