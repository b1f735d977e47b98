"""The twelve tasks of the agent, from a question to the API's request log, over any advertising API.

Each is a function of a Stage; AssertionError where a request is wrong, sent twice or unasked, or the user is not told.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.agent.task_stage import MODEL_KEY, TOKEN, Operation, Protocol, Stage, answer_in, items_in, tell
from tests.chat_server import chat_chunks
from tests.cli.kit import NLAPI, PATIENCE
from tests.messages_server import broken, error, events, message, say, text_block, tool_use
from tests.servers import Received, Reply

Task = Callable[[Stage], None]

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def filtered_list(stage: Stage) -> None:
    """A list with a filter: one request, and the names in the answer."""
    words = stage.vocabulary
    stage.script(
        stage.call("read", words.campaigns, **{words.status_filter: ["PAUSED"]}),
        lambda request: say(", ".join(item["name"] for item in items_in(answer_in(request)))),
    )
    ran = stage.ask("show the paused campaigns")
    target = f"/campaigns?{words.status_filter}=PAUSED"
    assert ran.code == 0, ran.err
    assert stage.api.log == [f"GET {stage.target(target)}"]
    names = [item["name"] for item in stage.items(target)]
    assert names and ran.out.strip() == ", ".join(names)
    assert _is_sound(stage)


def published_drafts(stage: Stage) -> None:
    """Campaign, ad set and ad from a draft: validated, and published after a yes to each change."""
    ids: dict[str, str] = {}

    def step(number: int, tool: str, operation: Operation) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def answer(request: dict[str, Any]) -> dict[str, Any]:
            if number:
                ids[f"${number - 1}"] = _id_in(answer_in(request))
            given = {name: ids.get(value, value) for name, value in operation.arguments.items()}
            return stage.call(tool, operation.id, **given)

        return answer

    drafts = stage.vocabulary.drafts
    stage.script(*(step(number, *draft) for number, draft in enumerate(drafts)), tell("Night Shift is published."))
    question = f"{stage.vocabulary.creation}, an ad set Nurses and an ad Coffee at night, as drafts"
    with stage.talk(question) as terminal:
        for tool, operation in drafts:
            if tool == "change":
                terminal.expect(f"{operation.id} changes something. Send it?")
                terminal.type("y\n")
        terminal.expect("Night Shift is published.")
        assert terminal.end() == 0
    log = [_with_ids(entry, ids) for entry in stage.vocabulary.draft_log]
    assert [entry for entry in stage.api.log if entry.startswith("POST")] == [
        f"POST {stage.target(entry.removeprefix('POST '))}" for entry in log
    ]
    assert len(stage.api.changes) == len(set(map(_identity, stage.api.changes))), "one was sent twice"
    assert [item["name"] for item in stage.items("/campaigns")].count("Night Shift") == 1
    assert _is_sound(stage)


def pause_by_name(stage: Stage) -> None:
    """A campaign is looked up by its name and paused; nothing else is."""
    words = stage.vocabulary
    stage.script(
        stage.call("read", words.campaigns, name=words.campaign),
        lambda request: stage.call("change", words.update_campaign, campaign_id=_item(request)["id"], status="PAUSED"),
        tell(f"{words.campaign} is paused."),
    )
    before = {item["id"]: item["status"] for item in stage.items("/campaigns")}
    ran = stage.ask(f"pause the campaign {words.campaign}", "--yes")
    assert ran.code == 0, ran.err
    (campaign,) = (item for item in stage.items("/campaigns") if item["name"] == words.campaign)
    name = words.campaign.replace(" ", "%20")
    assert stage.api.log == [
        f"GET {stage.target(f'/campaigns?name={name}')}",
        f"PATCH {stage.target('/campaigns/' + campaign['id'])}",
    ]
    assert stage.api.received[-1].json() == {"status": "PAUSED"}
    after = {item["id"]: item["status"] for item in stage.items("/campaigns")}
    assert after == {**before, campaign["id"]: "PAUSED"}
    assert ran.out.strip() == f"{words.campaign} is paused."
    assert _is_sound(stage)


def raised_budgets(stage: Stage) -> None:
    """+10 % for each active ad set: one preview, one yes; the second change fails, and what follows is not sent."""
    words = stage.vocabulary
    raised: list[tuple[str, Any]] = []

    def raise_all(request: dict[str, Any]) -> dict[str, Any]:
        calls = []
        for item in filter(_is_active, items_in(answer_in(request))):
            budget = item[words.budget_path[0]]
            body = (
                {
                    **{key: budget[key] for key in ("type",)},
                    words.budget_path[1]: _plus_tenth(budget[words.budget_path[1]]),
                }
                if len(words.budget_path) > 1
                else _plus_tenth(budget)
            )
            raised.append((item["id"], {words.budget_path[0]: body}))
        for id, body in raised:
            arguments = stage.arguments(Operation(id=words.update_ad_set), ad_set_id=id, **body)
            calls.append(tool_use("change", {"operation": words.update_ad_set, "arguments": arguments}))
        return message(text_block("Raising them."), *calls)

    stage.api.fault = lambda request, _: (
        Reply(422, {"title": "the budget is above the limit"})
        if request.method == "PATCH" and len(stage.api.changes) == 2
        else None
    )
    stage.script(
        stage.call("read", words.ad_sets), raise_all, tell("One was raised, one failed, the rest was not tried.")
    )
    with stage.talk("raise the budgets of all active ad sets by 10 %") as terminal:
        terminal.expect("Send them?")
        assert stage.api.changes == [], "a change was sent before the yes"
        shown = terminal.seen
        terminal.type("y\n")
        terminal.expect("One was raised, one failed, the rest was not tried.")
        terminal.end()
        said = terminal.seen
    assert len(raised) >= 3
    for id, _ in raised:
        assert f"/ad_sets/{id}" in shown, "a change is not in the preview"
    assert len(re.findall(r": \d+ -> \d+\n", shown)) == len(raised), "no value before and after is shown"
    assert [request.path for request in stage.api.changes] == [stage.target(f"/ad_sets/{id}") for id, _ in raised[:2]]
    assert [request.json() for request in stage.api.changes] == [body for _, body in raised[:2]]
    assert "1 done, 1 failed" in said and f"{len(raised) - 2} not tried" in said
    assert _is_sound(stage)


def last_months_report(stage: Stage) -> None:
    """A report of a month: one request; a question about its rows needs no other."""
    words = stage.vocabulary
    seen: list[int] = []

    def count(request: dict[str, Any]) -> dict[str, Any]:
        seen.append(len(items_in(answer_in(request))))
        return say(f"{seen[0]} rows.")

    stage.script(stage.call("read", words.report), count)
    ran = stage.ask("what was spent last month, by campaign?")
    assert ran.code == 0, ran.err
    assert stage.api.log == [f"GET {stage.target(words.report_target)}"]
    assert seen[0] and ran.out.strip() == f"{seen[0]} rows."
    assert _is_sound(stage)


def uploaded_file(stage: Stage) -> None:
    """The file that the user gave is sent, byte for byte and once; the model sees no byte of it."""
    words = stage.vocabulary
    file = stage.folder / "banner.png"
    file.write_bytes(PICTURE)
    ids: dict[str, str] = {}

    def step(number: int, operation: Operation) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def answer(request: dict[str, Any]) -> dict[str, Any]:
            if number:
                ids["$0"] = _id_in(answer_in(request))
            given = {name: ids.get(value, value) for name, value in operation.arguments.items()}
            return stage.call("change", operation.id, **given)

        return answer

    stage.script(*(step(number, upload) for number, upload in enumerate(words.uploads)), tell("It is there."))
    question = "upload an image asset called Banner"
    ran = stage.ask(question, "--yes", "--set", f"{words.file_argument}=@{file}")
    assert (ran.code, ran.out.strip()) == (0, "It is there."), ran.err
    log = [_with_ids(entry, ids) for entry in words.upload_log]
    sent = [f"{request.method} {request.path}" for request in stage.api.changes]
    assert sent == [f"POST {stage.target(entry.removeprefix('POST '))}" for entry in log]
    assert PICTURE in stage.api.changes[-1].body and b'filename="banner.png"' in stage.api.changes[-1].body
    assert "PNG\\r\\n" not in str(stage.model.requests)
    assert _is_sound(stage)


def killed_and_resumed(stage: Stage) -> None:
    """Killed while a change is on the wire: resumed, it is looked for, and not repeated without being asked."""
    words = stage.vocabulary
    arrived, killed = threading.Event(), threading.Event()

    def lose(request: Received, _: int) -> Reply | None:
        if request.method == "GET":
            return None
        answer = stage.api.forward(request)
        arrived.set()
        killed.wait(PATIENCE)
        return answer

    create = stage.call("change", words.create_campaign)
    question = stage.vocabulary.creation
    stage.script(create, create)
    stage.api.fault = lose
    process = subprocess.Popen(
        [NLAPI, *stage.words(question, "--yes")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )
    assert arrived.wait(PATIENCE)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    killed.set()
    resumed = stage.resume("go on", "--yes")
    assert resumed.code == 6, resumed.err
    assert [request.method for request in stage.api.changes] == ["POST"]
    assert [item["name"] for item in stage.items("/campaigns")].count("Night Shift") == 1
    assert "may have been carried out" in resumed.err and "it seems to have been carried out" in resumed.err
    assert _is_sound(stage)


def dropped_streams(stage: Stage) -> None:
    """The model's answer breaks off at each event: no call of it is sent, and a change before stays the only one."""
    create = stage.call("change", stage.vocabulary.create_campaign)
    question = stage.vocabulary.creation
    told = say("Night Shift is there.")
    for after, is_whole in _breaks(stage, create):
        sent = len(stage.api.changes)
        stage.script(broken(create, after=after), told, told)
        ran = stage.ask(question, "--yes")
        assert len(stage.api.changes) - sent == (1 if is_whole else 0), f"after {after} events"
        assert (ran.code == 0) is is_whole, ran.err
        assert is_whole or (ran.err.startswith("error: ") and "Traceback" not in ran.err), ran.err
    for after, is_whole in _breaks(stage, told):
        sent = len(stage.api.changes)
        stage.script(create, broken(told, after=after), create)
        ran = stage.ask(question, "--yes")
        assert len(stage.api.changes) - sent == 1, f"after {after} events"
        assert is_whole or (ran.code in (1, 8) and "1 change carried out" in ran.err), ran.err
    assert _is_sound(stage)


def busy_servers(stage: Stage) -> None:
    """429 and 529 of the model are waited out; a 429 of the API too for a read, while a change is sent once."""
    words = stage.vocabulary
    stage.script(
        error(429), error(529), stage.call("read", words.campaigns, **{words.status_filter: ["PAUSED"]}), tell("Here.")
    )
    busy = Reply(429, {"title": "slow down"}, {"Retry-After": "0"})
    stage.api.fault = lambda request, number: busy if number == 0 else None
    ran = stage.ask("show the paused campaigns")
    assert (ran.code, ran.out.strip()) == (0, "Here."), ran.err
    assert stage.api.log == [f"GET {stage.target(f'/campaigns?{words.status_filter}=PAUSED')}"] * 2
    stage.api.fault = lambda request, number: busy if request.method == "POST" else None
    stage.script(stage.call("change", words.create_campaign), tell("The API is busy."))
    ran = stage.ask(stage.vocabulary.creation, "--yes")
    assert ran.code == 4 and ran.out.strip() == "The API is busy.", ran.err
    assert len(stage.api.changes) == 1
    stage.script(*[error(529, **{"retry-after": "0"})] * 9)
    ran = stage.ask("show the paused campaigns")
    assert ran.code == 1 and ran.complaint, ran.err
    assert len(stage.api.received) == 3
    assert _is_sound(stage)


def cut_answers(stage: Stage) -> None:
    """Nothing of an answer that was refused or cut at its limit is run, and the exit code says so."""
    words = stage.vocabulary
    for stop in ("refusal", "max_tokens"):
        for given in (stage.arguments(words.create_campaign), None):
            call = {"operation": words.create_campaign.id, "arguments": given}
            block = tool_use("change", call if given else '{"operation": "createCampaign", "argu')
            stage.script(message(text_block("I create it."), block, stop=stop), tell())
            ran = stage.ask(stage.vocabulary.creation, "--yes")
            assert ran.code == 8 and "was run" in ran.out, ran.err
    assert stage.api.log == []
    assert _is_sound(stage)


def expired_credential(stage: Stage) -> None:
    """A credential that ends in the middle of a run: nothing is repeated, and the user is told which and what to do."""
    words = stage.vocabulary
    stage.api.fault = lambda request, number: Reply(401, {"title": "the token has expired"}) if number >= 1 else None
    stage.script(
        stage.call("read", words.campaigns, name=words.campaign),
        lambda request: stage.call("change", words.update_campaign, campaign_id=_item(request)["id"], status="PAUSED"),
        tell("The token has expired: sign in again."),
    )
    ran = stage.ask(f"pause the campaign {words.campaign}", "--yes")
    assert ran.code == 4, ran.err
    assert [request.method for request in stage.api.received] == ["GET", "PATCH"]
    assert words.scheme in ran.err and "401" in ran.err, ran.err
    assert TOKEN not in ran.out + ran.err + stage.transcript() + str(stage.model.requests)
    stage.api.fault = lambda request, number: None
    stage.script(
        stage.call("read", words.campaigns, name=words.campaign),
        lambda request: stage.call("change", words.update_campaign, campaign_id=_item(request)["id"], status="PAUSED"),
        tell("Paused."),
    )
    again = stage.resume(f"pause the campaign {words.campaign} now", "--yes")
    assert again.code == 0, again.err
    (campaign,) = (item for item in stage.items("/campaigns") if item["name"] == words.campaign)
    assert campaign["status"] == "PAUSED"
    assert _is_sound(stage)


def failed_post(stage: Stage) -> None:
    """A 500 on a POST: never sent again by itself, looked for, and asked about when the model tries again."""
    words = stage.vocabulary
    stage.api.fault = lambda request, number: Reply(500, {"title": "oops"}) if request.method == "POST" else None
    create = stage.call("change", words.create_campaign)
    stage.script(create, create, tell())
    ran = stage.ask(stage.vocabulary.creation, "--yes")
    assert ran.code == 6, ran.err
    assert [request.method for request in stage.api.received] == ["POST", "GET"]
    assert "500" in ran.err and "Night Shift" in ran.err and "lists none named" in ran.err
    assert "nlapi log resume" in ran.err
    assert _is_sound(stage)


TASKS: tuple[Task, ...] = (
    filtered_list,
    published_drafts,
    pause_by_name,
    raised_budgets,
    last_months_report,
    uploaded_file,
    killed_and_resumed,
    dropped_streams,
    busy_servers,
    cut_answers,
    expired_credential,
    failed_post,
)


def _breaks(stage: Stage, step: dict[str, Any]) -> Iterator[tuple[int, bool]]:
    """The numbers of events after which an answer breaks off, and whether all of it has come by then."""
    if stage.protocol is Protocol.CHAT:
        ends = [bool(chunk["choices"] and chunk["choices"][0]["finish_reason"]) for chunk in chat_chunks(step)]
    else:
        plain = {"id": "m", "type": "message", "role": "assistant", "model": "m", "usage": {"output_tokens": 1}}
        whole = {**plain, "stop_sequence": None, "stop_details": None, **step}
        ends = [event["type"] == "message_delta" for event in events(whole)]
    # At the first event, in the middle, and on both sides of the one that ends it. Every event is in
    # tests/agent/test_agent_connections.py.
    whole_at = ends.index(True) + 1
    for after in sorted({0, whole_at // 2, whole_at - 1, whole_at}):
        yield after, after == whole_at


def _is_sound(stage: Stage) -> bool:
    """Whether no request was refused by the model's server, and the key of the model stayed out of the API's."""
    assert stage.model.refused == [], stage.model.refused
    for request in stage.api.received:
        assert request.header("authorization") == f"Bearer {TOKEN}"
        assert MODEL_KEY not in f"{request.headers}{request.body!r}"
    return True


def _is_active(item: Mapping[str, Any]) -> bool:
    return item.get("delivery", "ON") == "ON" and (item.get("status") == "ACTIVE" or "delivery" in item)


def _plus_tenth(amount: int) -> int:
    return amount + amount // 10


def _item(request: dict[str, Any]) -> dict[str, Any]:
    (item,) = items_in(answer_in(request))
    return item


def _id_in(answer: Any) -> str:
    """The id of the item in an answer, which may be one level down."""
    if "id" in answer:
        return str(answer["id"])
    return next((str(value["id"]) for value in answer.values() if isinstance(value, dict) and "id" in value), "")


def _with_ids(entry: str, ids: Mapping[str, str]) -> str:
    return re.sub(r"\$\d", lambda found: ids[found[0]], entry)


def _identity(request: Received) -> tuple[str, str, bytes]:
    return request.method, request.target, request.body
