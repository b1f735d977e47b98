"""Raw hostile requests to a gateway, those of ../shared/cases/hostile and more of their kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway.kit import Talk, gateway
from tests.tables import table

CASES = Path(__file__).parents[3] / "shared" / "cases" / "hostile"
MANIFEST = CASES / "manifest.json"
RAW = [
    case
    for case in (json.loads(MANIFEST.read_text(encoding="utf-8"))["cases"] if MANIFEST.is_file() else ())
    if case.get("layer") == "gateway" and case.get("action") == "raw_http"
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with gateway(tmp_path_factory.mktemp("gateway")) as talk:
        yield talk


def status(answer: bytes) -> int:
    """The status of the first answer on a connection."""
    return int(answer.split(b" ", 2)[1])


@pytest.mark.skipif(not RAW, reason="the shared cases are not here")
@pytest.mark.parametrize("case", RAW, ids=lambda case: str(case["id"]))
def test_a_raw_hostile_request_changes_nothing(served: Talk, case: dict[str, str]) -> None:
    content = (CASES / case["file"]).read_bytes()
    wanted = next(check["v"] for check in case["checks"] if check["t"] == "status")  # type: ignore[index]
    admin = b"Bearer ADMIN" in content
    answer = served.raw(content.replace(b"Bearer ADMIN", f"Bearer {served.token}".encode()))
    # The cases speak to /admin/config: to this gateway that is no address at all, whatever is sent there.
    assert status(answer) in ([*wanted, 404] if admin else wanted)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert served.ok("GET", "/ready")["revision"] == 1


@table(
    ("path", "body"),
    [
        ("/v1/canaries", '{"objective": "continue-watching", "model": "ranker", "version": "v8", "percent": -5}'),
        ("/v1/canaries", '{"objective": "continue-watching", "model": "ranker", "version": "v8", "percent": 1e999}'),
        ("/v1/canaries", '{"objective": "continue-watching", "model": "ranker", "version": "v8", "percent": 1e300}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://169.254.169.254"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://[::ffff:169.254.169.254]:80"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://[fe80::1]:80"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://2852039166/"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://metadata.google.internal"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://a:b@10.0.0.1"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://[::169.254.169.254]"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://[64:ff9b::a9fe:a9fe]"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://[2002:a9fe:a9fe::]"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://[fd00:ec2::254]"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://100.100.100.200"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://0xa9.0xfe.0xa9.0xfe"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "oip-v2", "endpoints": ["http://0xa9.0xfe.0xa9.0xfe:8001"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://169%2e254%2e169%2e254"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://10.0.0.1#@169.254.169.254"]}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["http://a"], "headers": {"Upgrade": "h2c"}}'),
        ("/v1/models/ranker/versions", '{"version": "v10", "source": "a\\u0000b"}'),
        ("/v1/shards", '{"name": "m", "protocol": "json", "endpoints": ["file:///etc/passwd"]}'),
        ("/v1/shadows", '{"objective": "payment-fraud", "model": "fraud", "version": "v2"}'),
        ("/v1/models/ranker/versions", '{"version": "v10", "source": "../../secrets"}'),
        ("/v1/models/ranker/versions", '{"version": "../../admin"}'),
        ("/v1/models", '{"name": "x\\u0000y"}'),
        ("/v1/models", '{"name": ["a"]}'),
        ("/v1/models", '{"name": "a", "__class__": "x"}'),
    ],
)
def test_a_hostile_change_is_refused(served: Talk, path: str, body: str) -> None:
    answer = served("POST", path, content=body.encode())
    assert answer.status in (400, 422)
    assert served.ok("GET", "/ready")["revision"] == 1


def test_a_schema_that_doubles_at_each_level_is_refused(served: Talk) -> None:
    levels = {f"a{level + 1}": {"anyOf": [{"$ref": f"#/$defs/a{level}"}] * 2} for level in range(30)}
    schema = {"$defs": {"a0": {"type": "integer"}, **levels}, "properties": {"x": {"$ref": "#/$defs/a30"}}}
    problem = served.refused(422, "PATCH", "/v1/objectives/recommend", {"input": schema})
    assert "more than 2,000 schemas" in problem["detail"]


def test_an_empty_configuration_does_not_take_all_traffic_away(served: Talk) -> None:
    served.refused(422, "PUT", "/v1/configuration", {})
    served.refused(422, "PUT", "/v1/configuration", {"objectives": [], "models": [], "versions": [], "shards": []})


@table(
    ("header", "wanted"),
    [
        ("Host: evil.test", 421),
        ("Host: 127.0.0.1.evil.test", 421),
        ("Host: 127.0.0.1\r\nHost: 127.0.0.1", 400),
        ("Host: 127.0.0.1\r\nOrigin: http://evil.test", 403),
        ("Host: 127.0.0.1\r\nOrigin: null", 403),
        ("Host: 127.0.0.1\r\nOrigin: http://[", 403),
        ("Host: 127.0.0.1\r\nOrigin: //127.0.0.1", 403),
        ("Host: 127.0.0.1\r\nOrigin: chrome-extension://127.0.0.1", 403),
        ("Host: 127.0.0.1:8700\r\nOrigin: http://127.0.0.1:1234", 403),
        ("Host: 127.0.0.1:8700\r\nOrigin: http://localhost:8700", 403),
        ("Host: 127.0.0.1:8700\r\nOrigin: https://127.0.0.1:8700", 403),
        ("Host: 127.0.0.1\r\nOrigin: https://127.0.0.1", 403),
        ("Host: 127.0.0.1:80@evil.test", 400),
        ("Host: 127.0.0.1:http", 400),
        ("Host: 127.0.0.1\r\n" + "X" * 9000 + ": a", 431),
        ("Host: 127.0.0.1\r\nX-Request-Id: a\r\nX-Request-Id: b", 400),
        ("Host: 127.0.0.1\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b", 400),
        ("Host: 127.0.0.1\r\nX-Long: " + "a" * 9000, 431),
        ("Host: 127.0.0.1\r\nAuthorization: Basic YTpi", 401),
        ("Host: 127.0.0.1\r\nAuthorization: Bearer", 401),
        ("Host: 127.0.0.1\r\nAuthorization: Bearer ' OR '1'='1", 401),
        ("Host: localhost:1", 200),
        ("Host: [::1]:1", 200),
        ("Host: 127.0.0.1:80\r\nOrigin: http://127.0.0.1:80", 200),
        ("Host: 127.0.0.1\r\nOrigin: http://127.0.0.1:80", 200),
    ],
)
def test_who_is_spoken_to_and_from_where(served: Talk, header: str, wanted: int) -> None:
    assert status(served.raw(f"GET /health HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n".encode())) == wanted


def test_a_gateway_may_be_told_its_other_names(tmp_path: Path) -> None:
    with gateway(tmp_path, hosts=("models.example.com",)) as talk:
        request = "GET /health HTTP/1.1\r\nHost: models.example.com{}\r\nConnection: close\r\n\r\n"
        assert status(talk.raw(request.format(":8700").encode())) == 200
        # A proxy in front of that name may end TLS; a page of another of its ports is another server's.
        assert status(talk.raw(request.format("\r\nOrigin: https://models.example.com").encode())) == 200
        assert status(talk.raw(request.format("\r\nOrigin: https://models.example.com:8443").encode())) == 403


@table(
    "target",
    ["/v1/objectives/%ff", "/v1/objectives?name=%ff", "/v1/objectives/a%2fb", "/%00", "/v1/objectives?limit=%D9%A1"],
)
def test_odd_addresses_are_refused(served: Talk, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer {served.token}"
    assert status(served.raw(f"{request}\r\n\r\n".encode())) in (400, 404, 422)
