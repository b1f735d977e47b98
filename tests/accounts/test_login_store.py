"""Where secrets are, who may read them, and what happens to a store that is locked, damaged or shared."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.accounts.kit import MemoryKeyring, description, register, register_oauth
from tests.authorization_server import LoopbackAuthorizationServer
from tests.cli.kit import NLAPI, command, run
from tests.servers import Echo

KEY = "sk-canary-0123456789"
SCHEMES = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}


@pytest.fixture
def shop(tmp_path: Path) -> str:
    register(tmp_path, description("http://127.0.0.1:9", SCHEMES))
    return "shop"


def log_in(*more: str) -> str:
    ran = run("auth", "login", "shop", *more, stdin=f"{KEY}\n")
    assert ran.code == 0, ran.err
    return ran.err


def sent_key() -> str:
    """The key that a call carries."""
    with Echo() as api:
        register(Path(os.environ["NLAPI_CONFIG_DIR"]).parent, description(api.url, SCHEMES))
        log_in()
        assert run("call", "shop", "listOrders").code == 0
        return api.only.header("x-key") or ""


def test_a_keyring_has_the_secret_and_the_file_has_none(shop: str, config: Path, keys: MemoryKeyring) -> None:
    assert log_in() == "shop key: stored, for http://127.0.0.1:9\n"
    (file,) = (config / "logins").rglob("*.json")
    assert KEY not in file.read_text()
    assert [KEY in text for text in keys.passwords.values()] == [True]
    log_in()
    assert len(keys.passwords) == 1, "a login that is replaced leaves nothing behind"
    assert run("auth", "token", "shop").out == f"{KEY}\n"
    assert run("auth", "logout", "shop").code == 0
    assert not keys.passwords


def test_the_keyring_that_the_user_has_set_serves_every_process(shop: str, config: Path, tmp_path: Path) -> None:
    """keyring chooses its backend by PYTHON_KEYRING_BACKEND, as it does by the user's file or by the system."""
    stored = tmp_path / "keyring.json"
    env = {"PYTHON_KEYRING_BACKEND": "tests.accounts.file_keyring.FileKeyring", "KEYRING_FILE": str(stored)}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    assert command("auth", "login", "shop", "--store", "keyring", stdin=f"{KEY}\n", **env).code == 0
    (file,) = (config / "logins").rglob("*.json")
    assert (KEY in stored.read_text(), KEY in file.read_text()) == (True, False)
    assert command("auth", "token", "shop", **env).out == f"{KEY}\n"
    ran = command("auth", "token", "shop", **{**env, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})
    assert (ran.code, ran.out) == (2, "")
    assert "the keyring, where the login shop key is, cannot be read" in ran.complaint
    assert command("auth", "logout", "shop", **env).code == 0
    assert json.loads(stored.read_text()) == {}


def test_without_a_keyring_a_file_for_its_user_alone_says_so(shop: str, config: Path) -> None:
    told = log_in()
    (file,) = (config / "logins").rglob("*.json")
    assert f"In plain text in {file}, for you alone" in told
    assert "in plain text" in json.loads(file.read_text())["notice"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    log_in()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sent_key() == KEY


def test_what_a_keyring_does_not_keep_whole_goes_into_the_file(shop: str, keys: MemoryKeyring) -> None:
    keys.limit = 20
    assert "it did not keep them whole" in log_in()
    assert run("auth", "token", "shop").out == f"{KEY}\n"


def test_a_keyring_that_is_locked(shop: str, tmp_path: Path, keys: MemoryKeyring) -> None:
    log_in()
    keys.is_locked = True
    ran = run("call", "shop", "listOrders")
    assert (ran.code, ran.out) == (2, "")
    assert ran.complaint == (
        "the keyring, where the login shop key is, cannot be read: Failed to unlock the collection! "
        "(unlock it, or log in again with --store file)"
    )
    # Other credentials are not in its way.
    with Echo() as api:
        assert run("call", "shop", "listOrders", "--auth", "key=abcdefgh", "--base-url", api.url).code == 0
    ran = run("auth", "login", "shop", "--store", "keyring", stdin=f"{KEY}\n")
    assert "the keyring does not take it: Failed to unlock" in ran.complaint
    log_in("--store", "file")
    assert run("auth", "token", "shop").out == f"{KEY}\n"


def test_a_login_that_is_damaged_is_named_and_the_others_stay(shop: str, config: Path, tmp_path: Path) -> None:
    log_in()
    register(tmp_path, description("http://127.0.0.1:9", SCHEMES), name="other")
    assert run("auth", "login", "other", stdin=f"{KEY}\n").code == 0
    file = config / "logins" / "shop" / "key.json"
    for damage in ("", "{", "[]", file.read_text().replace('"kind": "value"', f'"kind": "{KEY}"'), "\udcff"):
        file.write_text(damage, errors="surrogateescape")
        ran = run("call", "shop", "listOrders")
        assert ran.code == 2
        assert ran.complaint.startswith(f"{file}, the login shop key, is damaged")
        assert KEY not in ran.err
        states = {row["api"]: row["state"] for row in run("auth", "status", "-o", "json").json}
        assert states == {"shop": "damaged", "other": "stored"}
    log_in()
    assert run("auth", "token", "shop").code == 0


def test_a_reference_is_read_at_each_call(
    shop: str, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{KEY}\n")
    program = tmp_path / "manager"
    program.write_text(f"#!/bin/sh\necho {KEY}\necho user: ada\n")
    program.chmod(0o700)
    monkeypatch.setenv("SHOP_KEY", KEY)
    for reference in ("env:SHOP_KEY", f"file:{secret}", f"cmd:{program} show"):
        assert run("auth", "login", "shop", "--reference", reference).code == 0
        assert run("auth", "token", "shop").out == f"{KEY}\n"
        assert KEY not in (config / "logins" / "shop" / "key.json").read_text()
    program.write_text("#!/bin/sh\nexit 3\n")
    ran = run("auth", "login", "shop", "--reference", f"cmd:{program} get")
    assert "failed with exit code 3 (run it by hand; is the password manager unlocked?)" in ran.complaint
    ran = run("auth", "login", "shop", "--reference", KEY)
    assert (ran.code, KEY in ran.err) == (2, False)


def test_what_cannot_be_a_credential_is_refused_when_it_is_typed(tmp_path: Path) -> None:
    register(tmp_path, description("http://127.0.0.1:9", {"login": {"type": "http", "scheme": "basic"}}))
    ran = run("auth", "login", "shop", stdin="no-colon-in-it\n")
    assert (ran.code, ran.complaint.startswith("the credential for login has to be USER:PASSWORD")) == (2, True)
    assert run("auth", "login", "shop", stdin="\n").code == 2
    assert run("auth", "login", "shop", stdin="ada:pw\n").code == 0
    assert run("auth", "login", "shop", "nothing", stdin="x\n").complaint.startswith("Shop has no security scheme")
    assert run("auth", "login", "unknown", stdin="x\n").complaint.startswith("no API is registered as 'unknown'")


def test_status_shows_no_secret(shop: str, config: Path) -> None:
    log_in()
    for output in ("json", "table"):
        ran = run("auth", "status", "-o", output)
        assert KEY not in ran.out + ran.err
    (row,) = run("auth", "status", "-o", "json").json
    assert (row["kind"], row["state"], row["stored"], row["for"]) == ("value", "stored", "file", ["http://127.0.0.1:9"])


def test_of_many_processes_with_an_ended_token_one_renews_it(
    tmp_path: Path, config: Path, server: LoopbackAuthorizationServer
) -> None:
    # Fifty: python -m benchmarks.logins
    register_oauth(tmp_path, server)
    assert run("auth", "login", "shop", "--client-id", "cli").code == 0
    (file,) = (config / "logins").rglob("*.json")
    content = json.loads(file.read_text())
    content["login"]["expires_at"] = 1
    file.write_text(json.dumps(content))
    processes = [
        subprocess.Popen([NLAPI, "call", "shop", "listOrders"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.communicate() and process.returncode for process in processes] == [0] * 2
    assert (server.refreshed, server.reused, len(server.api_calls)) == (1, 0, 2)


def test_a_login_of_an_environment_is_printed_and_forgotten_by_its_name(tmp_path: Path) -> None:
    servers = [
        {"url": "http://127.0.0.1:9", "description": "Live"},
        {"url": "http://127.0.0.1:8", "description": "Test"},
    ]
    register(tmp_path, description("http://127.0.0.1:9", SCHEMES, servers=servers))
    for env in ("live", "test"):
        assert run("auth", "login", "shop", "--env", env, stdin=f"{KEY}-{env}\n").code == 0
    assert run("auth", "token", "shop", "--env", "test").out == f"{KEY}-test\n"
    assert run("auth", "logout", "shop", "--env", "test").code == 0
    ran = run("auth", "token", "shop", "--env", "test")
    assert ran.complaint == "there is no login shop --env test (`nlapi auth login shop --env test` stores one)"
    assert run("auth", "token", "shop", "--env", "live").out == f"{KEY}-live\n"


def test_help_loads_neither_authlib_nor_keyring() -> None:
    program = "import sys, nlapi.cli.main; print([m for m in ('authlib', 'keyring', 'tomlkit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
