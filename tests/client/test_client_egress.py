"""Where a description may lead a request: the address that is connected to is the one that was checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.client.message import Result
from nlapi.errors import FetchError, SendError, UsageError
from nlapi.openapi.egress import NetworkScope
from nlapi.openapi.fetch import DescriptionFiles, fetch
from nlapi.openapi.selection import subset
from nlapi.openapi.spec import Spec
from tests.describe import spec, text
from tests.lookups import lookups
from tests.servers import Echo, Reply

PUBLIC = "93.184.215.14"
PATHS = {"/x": {"get": {"operationId": "read", "security": [{"key": []}], "responses": {"200": {"description": "ok"}}}}}
SCHEMES = {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}
DATA = text({"/x": {"get": {"operationId": "op", "responses": {}}}})


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def inner() -> Iterator[Echo]:
    """A server that only this machine can reach."""
    with Echo(Reply(200, {"secret": "of this machine"})) as server:
        yield server


def remote(server: str, *, source: str = "http://docs.test/openapi.json", **more: Any) -> Spec:
    more = {"network": NetworkScope.PUBLIC, **more}
    return spec(PATHS, source=source, servers=[{"url": server}], components=SCHEMES, **more)


def call(description: Spec, **more: Any) -> Result:
    return nlapi.call(description, "read", {}, auth={"key": "CREDENTIAL-1"}, timeout=5, **more)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "::ffff:127.0.0.1", "100.64.0.1", "fd00::1", "169.254.169.254"]
)
def test_a_name_in_a_remote_description_that_leads_inward_gets_nothing(inner: Echo, address: str) -> None:
    with (
        lookups({"api.test": [[address]]}) as names,
        pytest.raises(SendError, match=r"nothing was sent.*--base-url") as caught,
    ):
        call(remote(f"http://api.test:{inner.port}"))
    assert inner.received == []
    assert names.refused == []
    assert "CREDENTIAL-1" not in str(caught.value)


def test_the_host_of_the_description_itself_may_not_lead_inward_later(inner: Echo) -> None:
    with lookups({"docs.test": [["127.0.0.1"]]}), pytest.raises(SendError, match="nothing was sent"):
        call(remote(f"http://docs.test:{inner.port}"))
    assert inner.received == []


def test_a_name_is_looked_up_once_so_that_it_cannot_change(inner: Echo) -> None:
    with lookups({"api.test": [[PUBLIC], ["127.0.0.1"]]}) as names, pytest.raises(SendError):
        nlapi.call(remote(f"http://api.test:{inner.port}"), "read", {}, auth={"key": "CREDENTIAL-1"}, timeout=0.05)
    # The read is tried again, and each attempt checks what it connects to.
    assert set(names.refused) <= {PUBLIC}
    assert inner.received == []


def test_of_several_addresses_only_the_public_ones_are_tried(inner: Echo) -> None:
    with lookups({"api.test": [["127.0.0.1", PUBLIC]]}) as names, pytest.raises(SendError):
        call(remote(f"http://api.test:{inner.port}"))
    assert set(names.refused) == {PUBLIC}
    assert inner.received == []


@pytest.mark.parametrize(
    "address", ["100.100.100.200", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254", "169.254.170.2"]
)
def test_a_file_may_not_name_the_metadata_service_of_a_cloud(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(UsageError, match="link-local or reserved"):
        call(spec(PATHS, servers=[{"url": f"http://{host}"}], components=SCHEMES))
    with lookups({"meta.test": [[address]]}) as names, pytest.raises(SendError, match="nothing was sent"):
        call(spec(PATHS, servers=[{"url": "http://meta.test"}], components=SCHEMES))
    assert names.refused == []


def test_what_the_user_names_is_reached_and_so_is_what_a_file_of_the_user_names(inner: Echo) -> None:
    with lookups({"api.test": [["127.0.0.1"]]}):
        site = f"http://api.test:{inner.port}"
        assert call(remote("https://elsewhere.test"), base_url=site).ok
        assert call(spec(PATHS, servers=[{"url": site}], components=SCHEMES)).ok
        # The description came from this name while it led inward: an API in the user's own network.
        assert call(remote(site, source=f"{site}/openapi.json", network=NetworkScope.LOCAL)).ok
    assert [one.header("Host") for one in inner.received] == [f"api.test:{inner.port}"] * 3


def test_a_description_from_this_machine_is_called_where_it_came_from() -> None:
    described = text(PATHS, components=SCHEMES, servers=[{"url": "/"}])
    with (
        Echo(lambda one: Reply(200, described if one.target == "/openapi.json" else b"{}")) as server,
        lookups({"intranet.test": [["127.0.0.1"]]}),
    ):
        assert call(nlapi.load(f"http://intranet.test:{server.port}/openapi.json")).ok


# Descriptions


def test_a_redirect_to_a_name_that_changes_is_not_fetched_from_this_machine(inner: Echo) -> None:
    with (
        Echo(Reply(302, headers={"Location": f"http://rebind.test:{inner.port}/api.json"})) as server,
        lookups({"rebind.test": [[PUBLIC], ["127.0.0.1"]]}) as names,
        pytest.raises(FetchError),
    ):
        fetch(server.url, deadline=5)
    assert (names.names, names.refused) == (["rebind.test"], [PUBLIC])
    assert inner.received == []


def test_the_first_name_may_not_lead_inward_after_a_redirect() -> None:
    with Echo(Reply(200, DATA)) as inner, lookups({"docs.test": [[PUBLIC], ["127.0.0.1"]]}):
        files = DescriptionFiles(root=f"http://docs.test:{inner.port}/a.json", network=NetworkScope.PUBLIC)
        with pytest.raises(LookupError):
            files.tree(files.locate("b.json", ""))
        with pytest.raises(LookupError, match="leads to an address in a private network"):
            files.tree(files.locate("c.json", ""))
    assert inner.received == []


def test_a_cached_description_keeps_where_it_came_from(tmp_path: Path, inner: Echo) -> None:
    described = text(PATHS, components=SCHEMES, servers=[{"url": f"http://api.test:{inner.port}"}])
    with Echo(Reply(200, described, {"Cache-Control": "max-age=60"})) as server:
        for _ in range(2):
            loaded = nlapi.load(f"{server.url}/openapi.json", cache=tmp_path)
            assert loaded.network is NetworkScope.LOCAL
            with lookups({"api.test": [["127.0.0.1"]]}), pytest.raises(SendError, match="nothing was sent"):
                call(loaded)
        assert len(server.received) == 1
    assert inner.received == []


# Copies


def test_a_copy_in_a_file_may_name_what_the_original_may(tmp_path: Path, inner: Echo) -> None:
    file = tmp_path / "copy.json"
    for server in (f"http://api.test:{inner.port}", f"http://docs.test:{inner.port}"):
        file.write_text(json.dumps(subset(remote(server), {"read": "read"})))
        with (
            lookups({"api.test": [["127.0.0.1"]], "docs.test": [["127.0.0.1"]]}),
            pytest.raises(SendError, match="nothing was sent"),
        ):
            call(nlapi.load(file))
        # A copy of the copy is not freed either.
        again = subset(nlapi.load(file), {"read": "read"})
        assert again["x-nlapi-origin"] == {"url": "http://docs.test/openapi.json", "network": "public"}
    assert inner.received == []


@pytest.mark.parametrize("stated", ["x", {"url": 5}, {"url": "http://["}, {"network": "any"}, None])
def test_a_stated_origin_that_is_none_changes_nothing(inner: Echo, stated: Any) -> None:
    site = f"http://127.0.0.1:{inner.port}"
    assert call(spec(PATHS, servers=[{"url": site}], components=SCHEMES, **{"x-nlapi-origin": stated})).ok


def test_a_port_that_nobody_named_is_not_fetched_from_a_private_server(inner: Echo) -> None:
    with Echo(Reply(302, headers={"Location": f"//127.0.0.1:{inner.port}/"})) as server, pytest.raises(FetchError):
        fetch(server.url)
    assert inner.received == []


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".test", "a.test%2eb.test", "xn--a..", "①..test"])
def test_a_host_that_is_no_name_is_refused_and_never_looked_up(host: str) -> None:
    for scope in NetworkScope:
        with lookups({}) as names, pytest.raises(FetchError):
            fetch(f"http://{host}/openapi.json", scope=scope)
    with pytest.raises(UsageError):
        call(spec(PATHS, servers=[{"url": f"http://{host}"}], components=SCHEMES))
    assert names.names == []


@pytest.mark.parametrize("address", ["fec0::1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "::5", "3fff::1", "192.0.0.8"])
def test_an_address_that_is_not_of_the_internet_is_refused_for_a_remote_description(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(UsageError, match="private network"):
        call(remote(f"http://{host}"))


@pytest.mark.parametrize("host", ["metadata.google.internal", "METADATA", "[fd00:ec2::23]", "[fd00:c1::a9fe:a9fe]"])
def test_a_proxy_is_not_asked_for_a_metadata_service(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Echo(Reply(200, {})) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(UsageError, match="leads to"):
            call(spec(PATHS, servers=[{"url": f"http://{host}"}], components=SCHEMES))
        assert proxy.received == []
