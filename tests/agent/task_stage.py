"""The stage of the agent's tasks: an advertising API in a sandbox, a scripted model, and the `nlapi` command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import nlapi
from tests.chat_server import ChatServer
from tests.cli.kit import Dialogue, Ran, dialogue, run
from tests.messages_server import MessagesServer, Step, results, say, use
from tests.recorded_sandbox import RecordedSandbox

MODEL_KEY = "sk-ant-test-0123456789"
TOKEN = "ads-token-0123456789"


class Protocol(StrEnum):
    """The protocol between the command and the model."""

    MESSAGES = "messages"
    CHAT = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of an advertising API, with the arguments that it always has here."""

    id: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdsVocabulary:
    """The words that an advertising API has for what the tasks are about. `prefix` begins every path."""

    source: str
    scheme: str
    prefix: str = ""
    scope: Mapping[str, str] = field(default_factory=dict)
    campaigns: Operation
    status_filter: str
    update_campaign: str
    create_campaign: Operation
    creation: str
    """the sentence for it"""
    campaign: str
    """the name of a campaign that is not paused"""
    ad_sets: Operation
    budget_path: tuple[str, ...]
    update_ad_set: str
    report: Operation
    report_target: str
    drafts: tuple[tuple[str, Operation], ...]
    """tool and operation of each step from a draft to what is published; `$n` is the id from step n"""
    draft_log: tuple[str, ...]
    uploads: tuple[Operation, ...]
    file_argument: str
    upload_log: tuple[str, ...]


ADS = AdsVocabulary(
    source="ads",
    scheme="bearer",
    campaigns=Operation(id="listCampaigns"),
    status_filter="status",
    update_campaign="updateCampaign",
    create_campaign=Operation(
        id="createCampaign", arguments={"name": "Night Shift", "objective": "REACH", "daily_budget_micros": "$50"}
    ),
    creation="create a campaign Night Shift for REACH with $50 a day",
    campaign="Summer Sale",
    ad_sets=Operation(id="listAdSets", arguments={"status": ["ACTIVE"]}),
    budget_path=("daily_budget_micros",),
    update_ad_set="updateAdSet",
    report=Operation(
        id="getReport",
        arguments={
            "metrics": ["spend_micros", "clicks"],
            "dimensions": ["campaign"],
            "start_date": "2026-10-01",
            "end_date": "2026-10-31",
        },
    ),
    report_target="/reports?metrics=spend_micros,clicks&dimensions=campaign&start_date=2026-10-01&end_date=2026-10-31",
    drafts=(
        (
            "change",
            Operation(
                id="createDraft",
                arguments={"name": "Night Shift", "objective": "REACH", "daily_budget_micros": "$50"},
            ),
        ),
        ("read", Operation(id="validateDraft", arguments={"draft_id": "$0"})),
        ("change", Operation(id="publishDraft", arguments={"draft_id": "$0"})),
        (
            "change",
            Operation(id="createAdSet", arguments={"campaign_id": "$2", "name": "Nurses", "placement": "FEED"}),
        ),
        (
            "change",
            Operation(
                id="createAd",
                arguments={
                    "ad_set_id": "$3",
                    "name": "Coffee at night",
                    "format": "IMAGE",
                    "asset_id": "ast_e6g4u9l2",
                    "headline": "Open all night",
                    "click_url": "https://example.com/night",
                },
            ),
        ),
    ),
    draft_log=("POST /drafts", "POST /drafts/$0/validate", "POST /drafts/$0/publish", "POST /ad_sets", "POST /ads"),
    uploads=(Operation(id="uploadAsset", arguments={"file": "banner.png", "name": "Banner", "kind": "IMAGE"}),),
    file_argument="file",
    upload_log=("POST /assets",),
)


@dataclass(slots=True, kw_only=True)
class Stage:
    """An API, a model and a folder; `ask` is the real command in this process, `talk` in one of its own."""

    vocabulary: AdsVocabulary
    api: RecordedSandbox
    model: MessagesServer | ChatServer
    protocol: Protocol
    folder: Path

    def script(self, *steps: Step) -> None:
        """The model's next answers; those of the last script that were not taken are dropped."""
        self.model.script[:] = steps

    def words(self, question: str, *options: str) -> tuple[str, ...]:
        """The words of `nlapi ask` for a question."""
        known = [word for name, value in self.vocabulary.scope.items() for word in ("--set", f"{name}={value}")]
        model = ["--model", "openai:gpt"] if self.protocol is Protocol.CHAT else []
        auth = f"{self.vocabulary.scheme}=env:TOKEN"
        target = ("-a", self.vocabulary.source, "--base-url", self.api.url, "--auth", auth)
        return ("ask", question, *target, "--planner", "claude", *model, *known, *options)

    def ask(self, question: str, *options: str) -> Ran:
        return run(*self.words(question, "-o", "text", *options))

    def resume(self, question: str, *options: str) -> Ran:
        """The last conversation, gone on with."""
        model = ["--model", "openai:gpt"] if self.protocol is Protocol.CHAT else []
        auth = ("--base-url", self.api.url, "--auth", f"{self.vocabulary.scheme}=env:TOKEN")
        return run("log", "resume", "last", question, "--planner", "claude", *model, *auth, *options)

    def talk(self, question: str, *options: str) -> AbstractContextManager[Dialogue]:
        return dialogue(*self.words(question, *options))

    def call(self, tool: str, operation: Operation | str, **arguments: Any) -> dict[str, Any]:
        """A model's call of an operation, in the scope of the API."""
        given = operation if isinstance(operation, Operation) else Operation(id=operation)
        return use(tool, {"operation": given.id, "arguments": self.arguments(given, **arguments)})

    def arguments(self, operation: Operation, **arguments: Any) -> dict[str, Any]:
        scope = self.vocabulary.scope if self._takes_scope(operation.id) else {}
        return {**scope, **operation.arguments, **arguments}

    def _takes_scope(self, operation: str) -> bool:
        path = self.api.spec.operation(operation).path
        return all(f"{{{name}}}" in path for name in self.vocabulary.scope)

    def target(self, path: str) -> str:
        return f"{self.vocabulary.prefix}{path}"

    def items(self, path: str) -> list[dict[str, Any]]:
        """What the sandbox has in a list now, past the log."""
        return items_in(self.api.look(self.target(path)))

    def transcript(self) -> str:
        """The text of the last transcript."""
        return max((self.folder / "state" / "log").iterdir()).read_text(encoding="utf-8")


def items_in(data: Any) -> list[dict[str, Any]]:
    """The list in an answer."""
    return next(value for value in data.values() if isinstance(value, list)) if isinstance(data, dict) else data


def answer_in(request: dict[str, Any], number: int = -1) -> Any:
    """The API's answer in the last results of a request to the model."""
    text = results(request)[number].removeprefix("error: ")
    return json.loads(text)["data"]


def tell(text: str = "Done.") -> dict[str, Any]:
    return say(text)


@contextmanager
def stage(vocabulary: AdsVocabulary, protocol: Protocol, folder: Path) -> Iterator[Stage]:
    """A Stage whose environment holds while the block lasts: folders of its own, a key, no terminal colours."""
    server = MessagesServer(key=MODEL_KEY) if protocol is Protocol.MESSAGES else ChatServer(key=MODEL_KEY)
    with server as model, RecordedSandbox(nlapi.load(vocabulary.source)) as api:
        variables = {f"NLAPI_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "STATE", "CACHE")}
        variables |= {"TOKEN": TOKEN, "COLUMNS": "200", "NO_COLOR": "1", "NLAPI_DEBUG": ""}
        variables |= {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": MODEL_KEY}
        variables |= {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": MODEL_KEY}
        before = dict(os.environ)
        os.environ.update(variables)
        try:
            yield Stage(vocabulary=vocabulary, api=api, model=model, protocol=protocol, folder=folder)
        finally:
            os.environ.clear()
            os.environ.update(before)
