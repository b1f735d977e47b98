"""What a model costs and is shown: the prefix, the first request, the start, long answers and runs, the prompt cache.

`python -m benchmarks.agent` fails when a figure is over its limit. Tokens are bytes / 4. The model is a script. With
`--fastmcp` the tools of that package over the same APIs stand beside ours, from an environment of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nlapi
from benchmarks import environments
from benchmarks.__main__ import line
from benchmarks.descriptions import directory, github, shared, stripe
from benchmarks.measure import Figure, cost
from benchmarks.measure import nlapi as nlapi_command
from nlapi.agent.events import CallProposed, ConsentReply, Event, StepFinished
from nlapi.agent.loop import converse
from nlapi.agent.models.endpoints import ModelEndpoint, find_endpoint
from nlapi.agent.models.planner import ModelPlanner
from nlapi.agent.operations.tools import OperationTools
from nlapi.agent.policy import Policy
from nlapi.sandbox import running
from nlapi.tools.plan import ask
from nlapi.tools.sending.run import Target
from nlapi.workflows.loops import write_plan
from tests.messages_server import MessagesServer, results, say, use
from tests.prompt_cache import PromptCache
from tests.servers import Echo, Reply

QUESTIONS = Path(__file__).with_name("agent_questions.jsonl")
KEY = "sk-ant-benchmark-0123456789"
INPUT_KEYS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")

DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Tracker", "version": "1"},
    "paths": {
        "/issues": {
            "get": {
                "operationId": "listIssues",
                "summary": "List issues",
                "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent", description=__doc__)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--fastmcp", action="store_true", help="print what fastmcp's tools take")
    options = parser.parse_args()
    if options.fastmcp:
        fastmcp_faces()
        return 0
    if options.child:
        print(json.dumps(run_child(*options.child)))
        return 0
    figures: list[Figure] = []
    # The start comes first: its peak memory is that of this process where this one is larger.
    measures = (
        start,
        faces,
        first_requests,
        chain,
        long_list,
        long_run,
        large_answer,
        many_large_answers,
        embedded_chat,
        long_chat,
    )
    for measure in measures:
        for figure in measure():
            print(line(figure), flush=True)
            figures.append(figure)
    return 0 if all(figure.kept for figure in figures) else 1


def endpoint(url: str) -> ModelEndpoint:
    return find_endpoint("claude-sonnet-5-5", {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url})


def tokens(value: object) -> float:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) / 4


def descriptions() -> dict[str, Path | str]:
    """The five APIs; those that cannot be had are left out, with a word."""
    folder = directory()
    files = {
        "ads": "ads",
        "spotify": shared("data/specs/spotify-ads.yaml"),
        "github": github(),
        "stripe": stripe(),
        "kubernetes": None if folder is None else folder / "kubernetes.io.json",
    }
    for name in [name for name, file in files.items() if file is None]:
        print(f"left out: {name}, as its description is not here", file=sys.stderr)
    return {name: file for name, file in files.items() if file is not None}


# ---- what is always there --------------------------------------------------------------------------------------------


def faces() -> Iterator[Figure]:
    """What each face adds to every request, over nine APIs: definitions of tools, and instructions."""
    largest: dict[str, float] = {}
    for name, file in nine_descriptions().items():
        spec = nlapi.load(file)
        sizes = {face: tokens(value) for face, value in constant_parts(spec).items()}
        largest = {face: max(size, largest.get(face, 0.0)) for face, size in sizes.items()}
        shown = ", ".join(f"{face} {size:,.0f}" for face, size in sizes.items())
        print(f"     {name}, {len(spec.visible_operations):,} operations: {shown}")
    for face, size in largest.items():
        yield Figure(name=f"always there, {face}, at most", value=size, unit="tokens", limit=1300)


FASTMCP = """
import asyncio, json, logging, sys
logging.disable(logging.CRITICAL)
from fastmcp import FastMCP
async def made():
    server = FastMCP.from_openapi(openapi_spec=json.load(open(sys.argv[1])))
    tools = [tool.to_mcp_tool().model_dump(by_alias=True) for tool in await server.list_tools()]
    return [{key: tool[key] for key in ("name", "description", "inputSchema")} for tool in tools]
print(json.dumps(asyncio.run(made())))
"""


def fastmcp_faces() -> None:
    """Print the tokens of what a model is given of fastmcp's tools over the same APIs, or why it cannot read one."""
    python = environments.environment("mcp-peers", "fastmcp")
    for name, file in nine_descriptions().items():
        with tempfile.TemporaryDirectory() as folder:
            description = Path(folder) / "description.json"
            description.write_text(json.dumps(dict(nlapi.load(file).document), default=str), encoding="utf-8")
            try:
                tools = json.loads(environments.run([python, "-c", FASTMCP, description]).splitlines()[-1])
                print(f"     {name}: {len(tools):,} tools, {tokens(tools):,.0f} tokens", flush=True)
            except environments.StepError as error:
                print(f"     {name}: left out, {error.reason}", flush=True)


def constant_parts(spec: nlapi.Spec) -> dict[str, object]:
    from nlapi.mcp.server import server_instructions
    from nlapi.mcp.settings import Settings
    from nlapi.mcp.tool_listing import build_catalogue, offered_tools

    body, toolset = first_request(spec, "what is there?"), nlapi.toolset(spec)
    catalogue = build_catalogue(spec, spec.visible_operations, Settings())
    return {
        "ask and chat": [body["tools"], body["system"]],
        "nlapi.toolset": [toolset.definitions(), toolset.instructions],
        "nlapi mcp": [offered_tools((catalogue,)).definitions, server_instructions(catalogue)],
    }


def nine_descriptions() -> dict[str, Path | str]:
    names = ("discord-3.1.json", "harbor-swagger2.yaml", "slack-swagger2.json")
    files = {name.partition("-")[0]: shared(f"data/specs/{name}") for name in names}
    return descriptions() | {"gateway": "gateway"} | {name: file for name, file in files.items() if file is not None}


# ---- the first request -----------------------------------------------------------------------------------------------


def first_requests() -> Iterator[Figure]:
    questions = [json.loads(text) for text in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    prefixes, requests, within, total = [], [], 0, 0
    for name, file in descriptions().items():
        spec = nlapi.load(file)
        operation_tools = OperationTools([spec])
        ids = {operation_tools.tool(operation).name: operation.id for operation in spec.operations if operation.usable}
        asked = [question for question in questions if question["api"] == name]
        for question in asked:
            body = first_request(spec, question["question"])
            prefixes.append(tokens({key: body[key] for key in ("tools", "system")}))
            requests.append(tokens(body))
            offered = named(operation_tools.offer(question["question"]), ids)
            searched = named(operation_tools.find(question["find"]), ids)
            is_within = bool((offered | searched) & set(question["operations"]))
            within += is_within
            total += 1
            if not is_within:
                print(f"     not within reach: {name}: {question['question']}")
    yield Figure(name="the constant prefix, at most", value=max(prefixes), unit="tokens", limit=1200)
    yield Figure(name="the first request, at most", value=max(requests), unit="tokens", limit=2300)
    missed = 100 * (total - within) / total
    yield Figure(name=f"the operation is not within one `find`, of {total} questions", value=missed, unit="%", limit=5)


def named(text: str, ids: dict[str, str]) -> set[str]:
    return {ids.get(entry.partition(" (")[0], "") for entry in text.splitlines()}


def first_request(spec: nlapi.Spec, question: str) -> dict[str, Any]:
    with MessagesServer([say("Fine.")], key=KEY) as server:
        planner = ModelPlanner([spec], endpoint(server.url), chains=write_plan)
        asyncio.run(drain(planner.next(ask(question))))
    return server.requests[0]


async def drain(pieces: Any) -> None:
    async for _ in pieces:
        pass


def chain() -> Iterator[Figure]:
    """A campaign, an ad set and an ad in one plan of the model's."""
    spec = nlapi.load("ads")
    campaign = {"name": "Autumn", "objective": "REACH"}
    ad_set = {"campaign_id": "$steps.a.outputs.id", "name": "Feed One", "placement": "FEED"}
    ad = {"ad_set_id": "$steps.b.outputs.id", "asset_id": "$steps.c.outputs.data.0.id", "name": "Red Shoes"}
    ad |= {"format": "IMAGE", "headline": "Red Shoes", "click_url": "https://example.com/shoes"}
    steps = [
        {"id": "a", "operation": "createCampaign", "arguments": campaign},
        {"id": "b", "operation": "createAdSet", "arguments": ad_set},
        {"id": "c", "operation": "listAssets", "arguments": {"kind": ["IMAGE"]}},
        {"id": "d", "operation": "createAd", "arguments": ad},
    ]
    question = "create the campaign Autumn with an ad set Feed One and the image ad Red Shoes in it"
    with running(spec) as sandbox, MessagesServer([use("plan", {"steps": steps})], key=KEY) as server:
        planner = ModelPlanner([spec], endpoint(server.url), chains=write_plan)
        targets = {spec: Target(spec=spec, base_url=sandbox.url, credentials={"oauth2": "any"})}
        held = converse(planner, ask(question), targets, policy=Policy(interactive=True), consent=agree)
        changes = asyncio.run(count_changes(held))
    if changes != 3:
        raise SystemExit(f"the chain made {changes} changes, and not 3")
    name = "campaign, ad set and ad: requests to the model"
    yield Figure(name=name, value=len(server.requests), unit="", limit=1)


async def agree(_: tuple[CallProposed, ...]) -> ConsentReply:
    return ConsentReply(is_agreed=True)


async def count_changes(events: AsyncIterator[Event]) -> int:
    steps = [event.step async for event in events if isinstance(event, StepFinished)]
    return sum(step.result is not None and step.result.status == 201 for step in steps)


# ---- the start -------------------------------------------------------------------------------------------------------


def start() -> Iterator[Figure]:
    """One question by the command line, to a model that answers at once."""
    runs = 5
    with tempfile.TemporaryDirectory() as folder, MessagesServer([say("Done.")] * runs, key=KEY) as server:
        file = Path(folder, "tracker.json")
        file.write_text(json.dumps(DESCRIPTION))
        folders = [f"{name}={folder}" for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")]
        settings = [*folders, f"ANTHROPIC_API_KEY={KEY}", f"ANTHROPIC_BASE_URL={server.url}"]
        question = ["ask", "what is open?", "-a", str(file), "--planner", "claude", "-o", "text"]
        quiet = ["sh", "-c", 'exec "$@" 2>/dev/null', "sh"]
        answered = cost([*quiet, "env", *settings, nlapi_command(), *question], runs)
    if answered.output.strip() != "Done.":
        print(f"     `nlapi ask` printed {answered.output[:200]!r}")
    yield Figure(name="`nlapi ask` of a model: CPU", value=answered.cpu, unit="s", limit=0.7)
    yield Figure(name="`nlapi ask` of a model: peak memory", value=answered.peak, unit="MB", limit=90)
    if find_spec("anthropic") is not None:
        imported = cost([sys.executable, "-c", "import anthropic"], runs)
        yield Figure(name="for comparison, `import anthropic`: CPU", value=imported.cpu, unit="s")
        yield Figure(name="for comparison, `import anthropic`: peak memory", value=imported.peak, unit="MB")


# ---- a long list -----------------------------------------------------------------------------------------------------


def user(name: str) -> dict[str, Any]:
    base = f"https://api.example.com/users/{name}"
    links = {f"{link}_url": f"{base}/{link}" for link in "followers following gists starred repos events orgs".split()}
    return {"login": name, "id": sum(map(ord, name)), "node_id": f"U_{name}", "url": base, **links, "type": "User"}


def issue(number: int, text_words: int = 500) -> dict[str, Any]:
    """An issue of the size and the fields of GitHub's: 28 of them, 7 KB."""
    dice = random.Random(number)
    names = ("octocat", "priya", "mona", "lee", "sam")
    words = "fix crash when parsing large files with nested arrays support dark mode retry client leak upload".split()
    url = f"https://api.example.com/repos/acme/app/issues/{number}"
    links = {f"{link}_url": f"{url}/{link}" for link in ("labels", "comments", "events", "html", "timeline")}
    label = {"id": 1, "node_id": "L", "url": url, "color": "d73a4a", "default": True, "description": "A kind of issue"}
    people = [user(name) for name in dice.sample(names, dice.randint(0, 2))]
    reactions = {"url": url, "total_count": 3, "+1": 1, "-1": 0, "laugh": 0, "heart": 2, "rocket": 0, "eyes": 0}
    return {
        **{"url": url, "repository_url": url, **links, "id": 10**9 + number, "node_id": f"I_{number}"},
        **{"number": number, "title": " ".join(dice.choices(words, k=8)), "user": user(dice.choice(names))},
        "labels": [{**label, "name": name} for name in dice.sample(("bug", "ui", "docs"), dice.randint(0, 3))],
        **{"state": "open", "locked": False, "assignee": None, "assignees": people, "milestone": None},
        **{"comments": dice.randint(0, 400), "created_at": f"2026-0{dice.randint(1, 9)}-1{number % 9}T10:00:00Z"},
        **{"updated_at": f"2026-10-{dice.randint(10, 28)}T10:00:00Z", "closed_at": None},
        **{"author_association": "CONTRIBUTOR", "active_lock_reason": None},
        "body": " ".join(dice.choices(words, k=text_words)),
        **{"reactions": reactions, "performed_via_github_app": None, "state_reason": None},
    }


def tracker() -> nlapi.Spec:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tracker.json"
        file.write_text(json.dumps(DESCRIPTION))
        return nlapi.load(file)


READ = use("read", {"operation": "listIssues", "arguments": {}})


def query(**arguments: object) -> dict[str, Any]:
    return use("result", {"result": "r1", **arguments})


def long_list() -> Iterator[Figure]:
    """100 issues, and questions about them that need no further call."""
    issues = [issue(number) for number in range(1, 101)]
    steps = [
        READ,
        query(sort="-comments", select=["number", "title", "comments"]),
        query(group="user.login"),
        query(sort="-created_at", select=["number", "created_at"]),
        query(select=["number", "body"], page=2),
        say("Done."),
    ]
    with MessagesServer(steps, key=KEY) as server, Echo(Reply(200, issues)) as api:
        run(tracker(), server.url, api.url)
    texts = [results(request)[0] for request in server.requests[1:]]
    for text in texts:
        if not text.startswith("{"):
            print(f"     {text}")
    table, most, groups, newest, page = map(json.loads, texts)
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    shown = [(row.get("number"), row.get("title")) for row in rows] == [(i["number"], i["title"]) for i in issues]
    authors = {name: sum(i["user"]["login"] == name for i in issues) for name in {i["user"]["login"] for i in issues}}
    right = (
        shown,
        most["rows"][0][2] == max(i["comments"] for i in issues),
        {row[0]: row[1] for row in groups["rows"]} == authors,
        newest["rows"][0][1] == max(i["created_at"] for i in issues),
        page["rows"][0][0] > 1,
        len(api.received) == 1,
    )
    size = len(json.dumps(issues))
    yield Figure(name=f"100 issues of {size:,} bytes", value=tokens(table), unit="tokens", limit=5000)
    yield Figure(name="questions about them with a wrong answer or a call", value=right.count(False), unit="", limit=0)


def run(spec: nlapi.Spec, model_url: str, api_url: str, *, max_rounds: int = 300) -> None:
    planner = ModelPlanner([spec], endpoint(model_url))
    target = {spec: Target(spec=spec, base_url=api_url)}

    async def consent(_: object) -> Any:
        raise AssertionError("nothing is changed here")

    events = converse(planner, ask("what is open?"), target, policy=Policy(), consent=consent, max_rounds=max_rounds)
    asyncio.run(drain(events))


# ---- long runs and large answers -------------------------------------------------------------------------------------


def run_child(model_url: str, api_url: str, folder: str, warm_up: str) -> dict[str, float]:
    """A run in a process of its own: CPU seconds without the start, and the growth and peak of its memory in MB."""
    spec = nlapi.load(Path(folder) / "tracker.json")
    if warm_up:
        run(spec, model_url, api_url, max_rounds=2)  # what is imported at the first use is no part of a step
    started, before = time.process_time(), resident()
    run(spec, model_url, api_url)
    return {"cpu": time.process_time() - started, "growth": resident() - before, "peak": peak_memory()}


def resident() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / 2**20


def peak_memory() -> float:
    # `ru_maxrss` begins with the size of the process that this one was forked from.
    entry = next(text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith("VmHWM"))
    return int(entry.split()[1]) / 1024


def in_child(
    steps: Sequence[dict[str, Any]], reply: Reply, *, is_warm: bool
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """The figures of a run of these steps in a child, and the requests that the model got."""
    warm_up = [READ, say("Done.")] if is_warm else []
    with (
        tempfile.TemporaryDirectory() as folder,
        MessagesServer([*warm_up, *steps], key=KEY) as server,
        Echo(reply) as api,
    ):
        Path(folder, "tracker.json").write_text(json.dumps(DESCRIPTION))
        command = [
            sys.executable,
            "-m",
            "benchmarks.agent",
            "--child",
            server.url,
            api.url,
            folder,
            "warm" if is_warm else "",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout), server.requests[len(warm_up) :]


def long_run() -> Iterator[Figure]:
    count = 200
    issues = [issue(number, 80) for number in range(8)]
    size = len(json.dumps(issues))
    steps = [use("read", {"operation": "listIssues", "arguments": {"page": number + 1}}) for number in range(count)]
    figures, requests = in_child([*steps, say("Done.")], Reply(200, issues), is_warm=True)
    if len(requests) != count + 1:
        print(f"     the run ended after {len(requests)} requests")
    largest = max(tokens(request) for request in requests)
    name = f"{count} steps with answers of {size:,} bytes"
    yield Figure(name=f"{name}: the largest request", value=largest, unit="tokens", limit=60_000)
    yield Figure(name=f"{name}: own CPU a step", value=1000 * figures["cpu"] / count, unit="ms", limit=15)
    yield Figure(name=f"{name}: memory grows by", value=figures["growth"], unit="MB", limit=40)


def large_answer() -> Iterator[Figure]:
    body = json.dumps([issue(number) for number in range(1, 3731)]).encode()
    reply = Reply(200, body, {"content-type": "application/json"})
    figures, requests = in_child([READ, query(group="user.login"), say("Done.")], reply, is_warm=False)
    name = f"an answer of {len(body) / 1e6:.0f} MB and a query of it: peak memory"
    if '"matching":3730' not in results(requests[-1])[0]:
        print(f"     the query answered {results(requests[-1])[0][:200]}")
    yield Figure(name=name, value=figures["peak"], unit="MB", limit=250)


def many_large_answers() -> Iterator[Figure]:
    count = 24
    body = json.dumps([issue(number) for number in range(1, 711)]).encode()
    reply = Reply(200, body, {"content-type": "application/json"})
    reads = [use("read", {"operation": "listIssues", "arguments": {"page": number + 1}}) for number in range(count)]
    figures, requests = in_child([*reads, query(group="user.login"), say("Done.")], reply, is_warm=False)
    name = f"{count} answers of {len(body) / 1e6:.0f} MB and a query of the first: peak memory"
    if '"matching":710' not in results(requests[-1])[0]:
        print(f"     the query answered {results(requests[-1])[0][:200]}")
    yield Figure(name=name, value=figures["peak"], unit="MB", limit=250)


CHAT = """
import sys
from benchmarks.agent import peak_memory
from nlapi.cli.main import main
try:
    main()
finally:
    print(f"peak {peak_memory()}", file=sys.stderr)
"""


def embedded_chat() -> Iterator[Figure]:
    """`nlapi chat` with the embedded planner, which reads the JSON of answers itself."""
    count = 24
    body = json.dumps([issue(number) for number in range(1, 711)]).encode()
    reply = Reply(200, body, {"content-type": "application/json"})
    with tempfile.TemporaryDirectory() as folder, Echo(reply) as api:
        file = Path(folder, "tracker.json")
        file.write_text(json.dumps(DESCRIPTION))
        kinds = ("CONFIG", "STATE", "CACHE")
        environment = {**os.environ, **{f"NLAPI_{kind}_DIR": str(Path(folder, kind)) for kind in kinds}}
        command = [sys.executable, "-c", CHAT, "chat", "-a", str(file), "--base-url", api.url, "--planner", "offline"]
        questions = "list issues\n" * count
        done = subprocess.run(
            command, input=questions, capture_output=True, text=True, check=True, timeout=300, env=environment
        )
        if len(api.received) != count:
            print(f"     {len(api.received)} calls were made")
    name = f"a chat of {count} questions with answers of {len(body) / 1e6:.0f} MB: peak memory"
    yield Figure(name=name, value=float(done.stderr.rpartition("peak ")[2]), unit="MB", limit=250)


# ---- the prompt cache ------------------------------------------------------------------------------------------------


def long_chat() -> Iterator[Figure]:
    """Ten questions in one chat over a large API: how much of each prompt the prompt cache has, by its own rules."""
    file = github()
    if file is None:
        return
    spec = nlapi.load(file)
    questions = [json.loads(text)["question"] for text in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    questions = [question for question in questions if question][24:34]
    with MessagesServer([say("Done.")] * len(questions), key=KEY, cache=PromptCache()) as server:
        planner = ModelPlanner([spec], endpoint(server.url))
        conversation = None
        for question in questions:
            conversation = ask(question) if conversation is None else conversation.with_question(question)
            conversation = asyncio.run(last_conversation(planner, conversation, spec))
    # What a request can read at most is the whole request before it.
    prompts = [sum(usage[key] for key in INPUT_KEYS) for usage in server.usages]
    reads = [usage["cache_read_input_tokens"] for usage in server.usages]
    lost = 100 * (1 - min(read / earlier for earlier, read in zip(prompts, reads[1:], strict=False)))
    name = "ten questions in a chat over GitHub: of the prompt before, not read from the cache"
    yield Figure(name=name, value=lost, unit="%", limit=10)
    share = 100 * (1 - sum(reads) / sum(prompts))
    yield Figure(
        name="ten questions in a chat over GitHub: of all prompts, not read from the cache", value=share, unit="%"
    )


async def last_conversation(planner: ModelPlanner, conversation: Any, spec: nlapi.Spec) -> Any:
    targets = {spec: Target(spec=spec, base_url="http://127.0.0.1:9")}
    events = converse(planner, conversation, targets, policy=Policy(), consent=drain)
    last = None
    async for event in events:
        last = event
    return last.conversation


if __name__ == "__main__":
    sys.exit(main())
