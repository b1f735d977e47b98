"""TLS: certificates that are read again while connections stay open, mutual TLS, and files that are no good."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nlapi.errors import UsageError
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.server import run_in_thread
from nlapi.gateway.http.tls import CertificateFiles, ServerCertificate
from nlapi.gateway.store.store import GatewayStore
from tests.gateway.certificates import Authority, Pair
from tests.gateway.processes import NLAPI, ROOT, serve_process
from tests.gateway.test_probes import until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def first(authority: Authority) -> Pair:
    return authority.issue("first")


def trusting(authority: Authority, client: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if client:
        context.load_cert_chain(client.certificate, client.key)
    return context


def connect(port: int, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=120, context=context)
    connection.connect()
    return connection


def name_of(connection: http.client.HTTPSConnection) -> str:
    """The common name of the certificate that a connection got."""
    certificate = connection.sock.getpeercert()
    return str(certificate["subject"][0][0][1])


def ask(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", "/livez")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def copy(pair: Pair, folder: Path) -> Pair:
    placed = Pair(certificate=folder / "tls.crt", key=folder / "tls.key")
    replace(pair, placed)
    return placed


def replace(pair: Pair, placed: Pair) -> None:
    shutil.copy(pair.key, placed.key)
    shutil.copy(pair.certificate, placed.certificate)


def files(pair: Pair, client_ca: Path | None = None) -> CertificateFiles:
    return CertificateFiles(certificate=pair.certificate, key=pair.key, client_ca=client_ca)


@contextmanager
def serving(certificate: ServerCertificate) -> Iterator[int]:
    """The port of a gateway with a certificate."""
    store = GatewayStore()
    with run_in_thread(Gateway(store, Engine()), certificate=certificate) as url:
        assert url.startswith("https://")
        yield int(url.rpartition(":")[2])
    store.close()


def test_files_that_change_are_read_again_and_connections_stay(tmp_path: Path, authority: Authority) -> None:
    placed = copy(authority.issue("old"), tmp_path)
    context = trusting(authority)
    with serving(ServerCertificate(files(placed), interval_s=0.02)) as port:
        open_before = connect(port, context)
        assert (name_of(open_before), ask(open_before)) == ("old", 200)
        replace(authority.issue("new"), placed)

        def is_new() -> bool:
            fresh = connect(port, context)
            try:
                return name_of(fresh) == "new" and ask(fresh) == 200
            finally:
                fresh.close()

        until(is_new)
        assert ask(open_before) == 200
        open_before.close()


def test_bad_files_leave_the_certificate_as_it_was(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    placed = copy(authority.issue("old"), tmp_path)
    certificate = ServerCertificate(files(placed))
    with serving(certificate) as port:
        shutil.copy(authority.issue("other").key, placed.key)
        assert not certificate.reload()
        assert f"{placed.key} is not the key of {placed.certificate}" in caplog.text
        fresh = connect(port, trusting(authority))
        assert (name_of(fresh), ask(fresh)) == ("old", 200)
        fresh.close()


def test_clients_are_asked_for_a_certificate_of_the_authority_that_is_in_the_file(
    tmp_path: Path, authority: Authority, first: Pair
) -> None:
    partners, strangers = Authority(tmp_path, "partners"), Authority(tmp_path, "strangers")
    trusted = tmp_path / "clients.pem"
    shutil.copy(partners.file, trusted)
    certificate = ServerCertificate(files(first, trusted))
    partner, stranger = partners.issue("partner"), strangers.issue("stranger")

    def is_served(port: int, client: Pair | None) -> bool:
        try:
            connection = connect(port, trusting(authority, client))
        except ssl.SSLError:
            return False
        try:
            return ask(connection) == 200
        # TLS 1.3: the client's certificate is refused after the client has finished its handshake.
        except (ssl.SSLError, OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    with serving(certificate) as port:
        assert [is_served(port, client) for client in (partner, stranger, None)] == [True, False, False]
        shutil.copy(strangers.file, trusted)
        assert certificate.reload()
        assert [is_served(port, client) for client in (partner, stranger, None)] == [False, True, False]


def test_plain_http_and_old_tls_are_not_spoken(authority: Authority, first: Pair) -> None:
    with serving(ServerCertificate(files(first))) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=120) as sock:
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"HTTP/1.1 200" not in b"".join(iter(lambda: sock.recv(4096), b""))
        old = trusting(authority)
        with pytest.warns(DeprecationWarning):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            connect(port, old)


def test_a_file_that_is_no_good_is_named(tmp_path: Path, authority: Authority, first: Pair) -> None:
    other, locked = authority.issue("other-key"), authority.issue("locked", password=b"secret")
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing", encoding="utf-8")
    missing = tmp_path / "missing.pem"

    def refused(certificate: Path, key: Path, client_ca: Path | None = None) -> str:
        with pytest.raises(UsageError) as caught:
            ServerCertificate(CertificateFiles(certificate=certificate, key=key, client_ca=client_ca))
        assert caught.value.hint
        return caught.value.message

    assert refused(missing, first.key) == f"{missing} cannot be read: No such file or directory"
    assert refused(first.certificate, missing) == f"{missing} cannot be read: No such file or directory"
    assert refused(first.certificate, other.key) == f"{other.key} is not the key of {first.certificate}"
    assert refused(empty, first.key) == f"{empty} holds no certificate in PEM"
    assert refused(first.certificate, empty) == f"{empty} holds no private key in PEM"
    assert refused(first.certificate, locked.key).startswith(f"{locked.key} is encrypted")
    assert refused(first.certificate, first.key, empty) == f"{empty} holds no certificate in PEM"


def nlapi(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NLAPI, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


def test_the_command_line_serves_reloads_and_talks_tls(tmp_path: Path, authority: Authority) -> None:
    placed = copy(authority.issue("cli-old"), tmp_path)
    context = trusting(authority)
    options = ("--tls-cert", str(placed.certificate), "--tls-key", str(placed.key))
    with serve_process(tmp_path, *options) as running:
        assert running.url.startswith("https://127.0.0.1:")
        words = ("gateway", "status", "--once", "-o", "json", "--url", running.url)
        token = {"NLAPI_GATEWAY_TOKEN": running.admin}
        trusted = nlapi(*words, SSL_CERT_FILE=str(authority.file), **token)
        assert trusted.returncode == 0, trusted.stderr
        assert '"revision": 1' in trusted.stdout
        unknown = nlapi(*words, SSL_CERT_FILE="", **token)
        assert unknown.returncode == 1
        assert "SSL_CERT_FILE" in unknown.stderr
        open_before = connect(running.port, context)
        replace(authority.issue("cli-new"), placed)
        running.process.send_signal(signal.SIGHUP)

        def is_new() -> bool:
            fresh = connect(running.port, context)
            try:
                return name_of(fresh) == "cli-new"
            finally:
                fresh.close()

        until(is_new)
        assert ask(open_before) == 200
        open_before.close()


def test_tls_options_that_are_no_good_end_the_start(tmp_path: Path, first: Pair) -> None:
    serve = ("gateway", "serve", "--example", "--port", "0", "--database", str(tmp_path / "gateway.db"))
    half = nlapi(*serve, "--tls-cert", str(first.certificate))
    assert (half.returncode, "--tls-key is missing" in half.stderr) == (2, True)
    wrong = nlapi(*serve, "--tls-cert", str(first.certificate), "--tls-key", str(tmp_path / "none"))
    assert (wrong.returncode, f"{tmp_path / 'none'} cannot be read" in wrong.stderr) == (2, True)
    assert not (tmp_path / "gateway.db").exists()
