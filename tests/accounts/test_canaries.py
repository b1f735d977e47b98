"""A value of its own for each kind and place of credential: it reaches the API, and no output has it in any form."""

from __future__ import annotations

import base64
import io
import json
import sys
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client

from nlapi.cli.main import main
from tests.accounts.kit import CONFIDENTIAL, description, register
from tests.authorization_server import LoopbackAuthorizationServer
from tests.cli.kit import run
from tests.mcp.test_mcp_http import serving, talk
from tests.messages_server import MessagesServer, say
from tests.servers import Echo, Received, Reply

CANARIES = {
    "header": "canary-Hd+1/aaaaaaaa",
    "query": "canary-Qy+2/bbbbbbbb",
    "cookie": "canary-Ck+3/cccccccc",
    "bearer": "canary-Br+4/dddddddd",
    "basic": "ada:canary-Ba+5/eeeeeeee",
    "body": "canary-Bo+6/ffffffff",
    "inferred": "canary-In+7/gggggggg",
    "reference": "canary-Rf+8/hhhhhhhh",
}
SCHEMES: dict[str, Any] = {
    "header": {"type": "apiKey", "in": "header", "name": "X-Shop"},
    "query": {"type": "apiKey", "in": "query", "name": "shop"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "shop"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
}


def echo(request: Received) -> Reply:
    """The request as it came, its credentials in several encodings."""
    raw = request.target + json.dumps(request.headers) + request.body.decode()
    data = {"plain": raw, "base64": base64.b64encode(raw.encode()).decode(), "hex": raw.encode().hex()}
    return Reply(200, data)


def one_scheme(kind: str, url: str) -> dict[str, Any]:
    """A description that wants one credential."""
    scheme = {kind: SCHEMES[kind]} if kind in SCHEMES else {}
    document = description(url, scheme)
    if kind == "reference":
        document = description(url, {"reference": SCHEMES["header"]})
    if kind == "body":
        reads = document["paths"]["/orders"].pop("get")
        document["paths"]["/orders"]["post"] = {**reads, "x-nlapi-effect": "read"}
    for item in document["paths"].values():
        for operation in item.values():
            if kind == "inferred":
                place = {"name": "X-Api-Key", "in": "header", "required": True, "schema": {"type": "string"}}
                operation.setdefault("parameters", []).append(place)
            if kind == "body":
                key = {"type": "string", "description": "Your API key"}
                schema = {"type": "object", "required": ["api_key"], "properties": {"api_key": key}}
                operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if kind in ("inferred", "body"):
        (orders,) = document["paths"]["/orders"].values()
        document["paths"]["/items"] = {"post": {**orders, "operationId": "addItem"}}
    return document


def secret_of(kind: str) -> str:
    return CANARIES[kind].rpartition(":")[2]


def forms(secret: str) -> list[str]:
    whole = [base64.b64encode(text.encode()).decode().rstrip("=")[:-2] for text in (secret, f"ada:{secret}")]
    return [secret, secret.encode().hex(), secret.replace("+", "%2B").replace("/", "%2F"), *whole]


@pytest.mark.parametrize("kind", CANARIES)
def test_no_output_has_a_credential(kind: str, tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary, secret = CANARIES[kind], secret_of(kind)
    with Echo(echo) as api, MessagesServer([say("There is one order.")], key="sk-test") as model:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        monkeypatch.setenv("CANARY", canary)
        register(tmp_path, one_scheme(kind, api.url))
        typed = ("--reference", "env:CANARY") if kind == "reference" else ()
        outputs = [run("auth", "login", "shop", *typed, stdin=f"{canary}\n")]
        outputs += [
            run("call", "shop", "listOrders"),
            run("call", "shop", "listOrders", "-o", "raw"),
            run("call", "shop", "listOrders", "--curl"),
            run("call", "shop", "listOrders", "--dry-run"),
            run("call", "shop", "deleteOrder", "id=1", "--yes"),
            run("call", "shop", "deleteOrder", "id=1"),
            run("call", "shop", "listOrders", "--base-url", "http://127.0.0.1:9"),
            run("ask", "list the orders", "-a", "shop", "--planner", "offline", "-o", "text"),
            run("ask", "list the orders", "-a", "shop", "--planner", "offline", "-o", "ndjson"),
            run("ask", "list the orders", "-a", "shop", "--planner", "model", "-o", "text"),
            run("tools", "shop", "--format", "anthropic"),
            run("auth", "status", "-o", "json"),
            run("api", "list", "-o", "json"),
            run("log", "list"),
        ]
        carried = b"".join(
            [request.target.encode() + repr(request.headers).encode() + request.body for request in api.received]
        ).decode()
        models = repr(model.requests)
    assert any(form in carried for form in forms(secret)), "it reached the API"
    texts = [ran.out + ran.err for ran in outputs] + [models]
    for file in tmp_path.rglob("*"):
        is_stored = (config / "logins") in file.parents
        if file.is_file() and not is_stored:
            texts.append(file.read_text(errors="replace"))
        if file.is_file() and is_stored:
            assert file.stat().st_mode & 0o077 == 0, file
    for text in texts:
        for form in forms(secret):
            assert form not in text, (kind, form, text[:3000])


def test_no_output_has_a_token_or_the_secret_of_a_client(
    tmp_path: Path, config: Path, server: LoopbackAuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_SECRET", CONFIDENTIAL.secret)
    schemes = {"login": {"type": "http", "scheme": "bearer"}}
    register(tmp_path, description(server.url, schemes))
    options = ("--issuer", server.url, "--client-id", "ci", "--client-secret", "env:CI_SECRET")
    outputs = [run("auth", "login", "shop", *options), run("call", "shop", "listOrders")]
    server.tokens[-1].lifetime = 0
    outputs += [run("call", "shop", "listOrders"), run("auth", "status", "-o", "json"), run("log", "list")]
    server.revoke_all()
    outputs += [run("call", "shop", "listOrders"), run("auth", "login", "shop", "--flow", "device", "--wait", "1")]
    server.lie = lambda request: Reply(400, {"error": "x", "error_description": request.body.decode()})
    outputs += [run("auth", "login", "shop"), run("call", "shop", "listOrders"), run("auth", "logout", "shop")]
    secrets = [CONFIDENTIAL.secret]
    secrets += [text for token in server.tokens for text in (token.access_token, token.refresh_token) if text]
    texts = [ran.out + ran.err for ran in outputs]
    texts += [file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file()]
    assert len(secrets) >= 5
    for secret in secrets:
        assert not [text for text in texts if secret in text]


ALL = {kind: CANARIES[kind] for kind in ("header", "query", "cookie", "basic")}
REFERENCES = ("env", "file", "cmd")
MCP_TOKEN = "canary-Mc+9/iiiiiiii"


def everywhere(url: str) -> dict[str, Any]:
    """A description whose operations want a credential in each place at once, and one of each kind of reference."""
    more = {name: {"type": "apiKey", "in": "header", "name": f"X-{name.title()}"} for name in REFERENCES}
    schemes = {**{kind: SCHEMES[kind] for kind in ALL}, **more}
    document = description(url, schemes)
    document["security"] = [{id: [] for id in schemes}]
    return document


def log_in_everywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Log in to each scheme, and return the secret of each."""
    for kind, canary in ALL.items():
        assert run("auth", "login", "shop", kind, stdin=f"{canary}\n").code == 0
    secrets = {name: f"canary-{name}+0/jjjjjjjj" for name in REFERENCES}
    monkeypatch.setenv("CANARY", secrets["env"])
    (folder / "secret").write_text(secrets["file"])
    (folder / "secret.cmd").write_text(secrets["cmd"])
    places = {"env": "env:CANARY", "file": f"file:{folder}/secret", "cmd": f"cmd:cat {folder}/secret.cmd"}
    for name, place in places.items():
        assert run("auth", "login", "shop", name, "--reference", place).code == 0
    return {**{kind: secret_of(kind) for kind in ALL}, **secrets}


class _BrokenInput(io.TextIOBase):
    """A standard input that fails as nothing in nlapi expects."""

    @property
    def buffer(self) -> Any:
        raise RuntimeError("broken")


def crash(*words: str) -> str:
    """What a command prints that crashes while it reads, with its traceback."""
    err = io.StringIO()
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["nlapi", *words], _BrokenInput()  # type: ignore[assignment]
    try:
        with redirect_stderr(err), pytest.raises(RuntimeError) as caught:
            main()
        with redirect_stderr(err):
            # As the interpreter ends, with the hook that the command has set.
            sys.excepthook(caught.type, caught.value, caught.tb)
    finally:
        sys.argv, sys.stdin = before
    assert "Traceback" in err.getvalue()
    return err.getvalue()


def command_lines() -> str:
    """The command lines of the processes of this machine that can be read; "" where there is no /proc."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)


async def talked(client: Client) -> str:
    """What an MCP client gets to see: tools, and the answers of calls that echo the request."""
    tools = await client.list_tools()
    answers = [
        await client.call_tool("listOrders", {}),
        await client.call_tool("deleteOrder", {"id": "1"}),
        await client.call_tool("deleteOrder", {}),
    ]
    return "".join(entry.model_dump_json() for entry in (tools, *answers))


def test_no_crash_plugin_server_or_process_list_has_a_credential(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def answer(request: Received) -> Reply:
        seen.append(command_lines())
        return echo(request)

    with Echo(answer) as api:
        register(tmp_path, everywhere(api.url))
        secrets = {**log_in_everywhere(tmp_path, monkeypatch), "mcp": MCP_TOKEN}
        monkeypatch.setenv("NLAPI_DEBUG", "1")
        monkeypatch.setenv("MCP_TOKEN", MCP_TOKEN)
        texts = [crash("call", "shop", "deleteOrder", "id=1", "--raw-body", "-", "--yes")]
        outputs = [
            run("call", "shop", "listOrders"),
            run("call", "shop", "listOrders", "-v"),
            run("call", "shop", "listOrders", "-i"),
            run("call", "shop", "listOrders", "--curl"),
            run("plugin", "build", "shop", "-o", str(tmp_path / "plugin")),
            run("describe", "shop", "listOrders"),
            run("doctor"),
        ]
        assert (outputs[0].code, outputs[4].code) == (0, 0), outputs[4].err
        with serving("shop", "--http", "127.0.0.1:0", "--token", "env:MCP_TOKEN") as url:
            texts += [talk(url, talked, Authorization=f"Bearer {MCP_TOKEN}"), httpx2.post(url, json={}).text]
        assert "listOrders" in texts[1]
        assert len(seen) >= 4, "the process list was read at each request"
        carried = repr([(request.target, request.headers) for request in api.received])
    for name, secret in secrets.items():
        assert name == "mcp" or any(form in carried for form in forms(secret)), f"{name} reached the API"
    texts += [ran.out + ran.err for ran in outputs] + seen
    for file in tmp_path.rglob("*"):
        if not file.is_file() or file.name in ("secret", "secret.cmd"):
            continue
        if (config / "logins") in file.parents:
            assert file.stat().st_mode & 0o077 == 0, file
        else:
            texts.append(file.read_text(errors="replace"))
    hits = [(name, form) for name, secret in secrets.items() for form in forms(secret) for t in texts if form in t]
    assert hits == []
