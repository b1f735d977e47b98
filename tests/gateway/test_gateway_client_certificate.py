"""nlapi's own commands against a gateway of a private authority that asks for a client's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nlapi.gateway.control.access import Audience, Role
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.server import run_in_thread
from nlapi.gateway.http.tls import CertificateFiles, ServerCertificate
from nlapi.gateway.store.store import GatewayStore
from tests.cli.kit import notes, notes_api, run
from tests.gateway.certificates import Authority, Pair
from tests.gateway.kit import write_models
from tests.tables import table


@dataclass(frozen=True, slots=True)
class Secured:
    """A gateway behind mutual TLS, and the files that its clients need."""

    url: str
    authority: Authority
    client: Pair
    stranger: Pair

    @property
    def options(self) -> tuple[str, ...]:
        certificate = ("--client-cert", str(self.client.certificate), "--client-key", str(self.client.key))
        return ("--url", self.url, "--ca", str(self.authority.file), *certificate)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("gateway")
    authority, other = Authority(folder), Authority(folder, "other")
    server = authority.issue("server")
    files = CertificateFiles(certificate=server.certificate, key=server.key, client_ca=authority.file)
    write_models(folder / "models")
    store = GatewayStore(folder / "gateway.db")
    app = Gateway(store, Engine(models=folder / "models"))
    token = app.access.create_token("admin", Audience.ADMIN, role=Role.ADMIN)[1]
    with pytest.MonkeyPatch.context() as patch, run_in_thread(app, certificate=ServerCertificate(files)) as url:
        patch.setenv("NLAPI_GATEWAY_TOKEN", token)
        yield Secured(url, authority, authority.issue("client"), other.issue("stranger"))
    store.close()


@table("command", [("export",), ("traffic",), ("status", "--once"), ("status", "-o", "json")])
def test_a_command_presents_its_certificate(secured: Secured, command: tuple[str, ...]) -> None:
    assert run("gateway", *command, *secured.options).code == 0


@table("present", ["nothing", "no certificate", "a stranger's"])
def test_a_command_without_the_right_files_is_told_why(secured: Secured, present: str) -> None:
    authority = () if present == "nothing" else ("--ca", str(secured.authority.file))
    stranger = ("--client-cert", str(secured.stranger.certificate), "--client-key", str(secured.stranger.key))
    files = stranger if present.startswith("a ") else ()
    refused = run("gateway", "export", "--url", secured.url, *authority, *files)
    assert refused.code == 1
    assert "certificate" in refused.err, refused.err


def test_the_variables_are_for_every_command_on_the_gateway(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLAPI_GATEWAY_CA", str(secured.authority.file))
    monkeypatch.setenv("NLAPI_GATEWAY_CLIENT_CERT", str(secured.client.certificate))
    monkeypatch.setenv("NLAPI_GATEWAY_CLIENT_KEY", str(secured.client.key))
    where = ("--base-url", secured.url, "--auth", "admin=env:NLAPI_GATEWAY_TOKEN")
    assert run("gateway", "export", "--url", secured.url).code == 0
    assert run("call", "gateway", "listObjectives", *where).code == 0
    asked = run("ask", "which objectives are there?", "-a", "gateway", "--planner", "offline", *where)
    assert asked.code == 0, asked.err


def test_the_variables_are_for_no_other_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLAPI_GATEWAY_CLIENT_CERT", str(tmp_path / "nothing.pem"))
    with notes_api() as api:
        assert run("call", notes(tmp_path, api.url), "listNotes").code == 0


@table(
    ("options", "message"),
    [
        (("--ca", "{folder}/nothing.pem"), "nothing.pem cannot be read"),
        (("--ca", "{key}"), "holds no certificate in PEM"),
        (("--client-key", "{key}"), "is a key without a certificate"),
        (("--client-cert", "{certificate}", "--client-key", "{stranger}"), "key values mismatch"),
        (("--client-cert", "{certificate}"), "cannot be used as a certificate with its key"),
    ],
)
def test_a_file_that_is_no_good_is_named(
    secured: Secured, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    pair = secured.client
    names = {"folder": tmp_path, "key": pair.key, "certificate": pair.certificate, "stranger": secured.stranger.key}
    refused = run("gateway", "export", "--url", secured.url, *(text.format(**names) for text in options))
    assert (refused.code, message in refused.err) == (2, True), refused.err
