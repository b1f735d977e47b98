"""What the code of a version can see of the gateway that runs it: no secret of its environment, files and memory."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlapi.gateway.workers.boundary import landlock_version
from tests.gateway.processes import NLAPI, ROOT, ServeProcess, serve_process

STAGES = """
import os
import pathlib
import subprocess
import sys
import tempfile


def attempt(action):
    try:
        return action()
    except OSError as error:
        return f"refused: {type(error).__name__}"


def predict(asked):
    kind, target = asked["kind"], asked.get("path", "")
    if kind == "environ":
        return dict(os.environ)
    if kind == "read":
        return attempt(lambda: pathlib.Path(target).read_bytes().decode("latin-1"))
    if kind == "write":
        return attempt(lambda: pathlib.Path(target).write_text("{}"))
    if kind == "replace":
        return attempt(lambda: (pathlib.Path(tempfile.mkdtemp(dir=asked["folder"])), os.unlink(target))[1])
    if kind == "link":
        return attempt(lambda: os.link(target, asked["folder"] + "/a-link"))
    if kind == "move":
        return attempt(lambda: os.rename(target, asked["folder"] + "/moved"))
    if kind == "child":
        code = "import sys; sys.stdout.write(open(sys.argv[1], errors='replace').read())"
        return subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True).stdout
    if kind == "processes":
        found = []
        for process in ["self", str(os.getppid()), *(name for name in os.listdir("/proc") if name.isdigit())]:
            shown = [pathlib.Path("/proc", process, file) for file in ("environ", "cmdline")]
            descriptors = attempt(lambda: os.listdir(f"/proc/{process}/fd"))
            opened = [] if isinstance(descriptors, str) else [f"/proc/{process}/fd/{number}" for number in descriptors]
            shown += [pathlib.Path(path) for path in opened if ".db" in attempt(lambda: os.readlink(path))]
            found += [attempt(lambda: path.read_bytes().decode("latin-1")) for path in shown]
        return "\\n".join(found)
    if kind == "descriptors":
        kinds = []
        for number in range(3, 64):
            try:
                kinds.append(os.readlink(f"/proc/self/fd/{number}"))
            except OSError:
                pass
        return kinds
    if kind == "memory":
        import gc
        return [text for text in map(repr, gc.get_objects()) if "a-secret-of" in text and "asked" not in text][:3]
    if kind == "scratch":
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("kept")
            file.seek(0)
            return file.read()
    if kind == "table":
        return pathlib.Path(__file__).with_name("table.json").read_text()
    if kind == "user":
        return os.geteuid()
"""

SECRETS = {
    "OPENAI_API_KEY": "sk-a-secret-of-openai",
    "NLAPI_GATEWAY_TOKEN": "a-secret-of-the-admin",
    "GATEWAY_DATABASE_PASSWORD": "a-secret-of-the-database",
    "HTTPS_PROXY": "http://user:a-secret-of-the-proxy@127.0.0.1:9",
    "UNHEARD_OF": "a-secret-of-somebody",
}
needs_landlock = pytest.mark.skipif(
    not landlock_version(), reason="this kernel has no Landlock, and the gateway's user is ours"
)


class Stage:
    """A version of a tenant in a running gateway."""

    def __init__(self, running: ServeProcess, folder: Path) -> None:
        self.running = running
        self.folder = folder

    def request(self, path: str, body: object, token: str) -> Any:
        connection = http.client.HTTPConnection(self.running.address, timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        assert answer.status < 300, content
        return content

    def __call__(self, kind: str, path: object = "", **others: str) -> Any:
        body = {"input": {"kind": kind, "path": str(path), **others}}
        return self.request("/v1/objectives/spying/serve", body, self.running.web)["output"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("boundary")
    version = folder / "models" / "spy" / "v1"
    version.mkdir(parents=True)
    (version / "model.toml").write_text("")
    (version / "stages.py").write_text(STAGES)
    (version / "table.json").write_text("[1, 2]")
    (folder / "allowed").mkdir()
    (folder / "allowed" / "upstream.key").write_text("a-secret-of-an-upstream\n")
    (folder / "data").mkdir()
    (folder / "data" / "features.csv").write_text("a,b\n")
    environment = {**os.environ, **SECRETS, "TZ": "UTC", "OMP_NUM_THREADS": "1", "TENANT_REGION": "eu"}
    options = ["--models", str(folder / "models"), "--allow-key", f"file:{folder / 'allowed'}/"]
    options += ["--allow-key", f"file:{folder / 'later' / 'keys'}/"]
    options += ["--allow-key", "env:OPENAI_API_KEY", "--worker-variable", "TENANT_REGION"]
    options += ["--training-log", str(folder / "training.jsonl")]
    with serve_process(folder, *options, example=False, environment=environment) as running:
        stage = Stage(running, folder)
        for path, body in (
            ("/v1/models", {"name": "spy"}),
            ("/v1/models/spy/versions", {"version": "v1", "source": "spy/v1"}),
            ("/v1/objectives", {"name": "spying", "model": "spy", "version": "v1", "timeout_ms": 20_000}),
        ):
            stage.request(path, body, running.admin)
        yield stage


def test_a_stage_gets_the_variables_that_are_allowed_and_no_secret(stage: Stage) -> None:
    environment = stage("environ")
    assert not SECRETS.keys() & environment.keys()
    assert not any("a-secret-of" in value for value in environment.values())
    assert (environment["TZ"], environment["OMP_NUM_THREADS"], environment["TENANT_REGION"]) == ("UTC", "1", "eu")
    assert environment["PATH"] == os.environ["PATH"]


@needs_landlock
def test_no_process_that_a_stage_can_see_shows_it_a_secret(stage: Stage) -> None:
    # Its own first environment and that of the process which it was forked from are in /proc as they were at the start.
    seen = stage("processes")
    for name, value in SECRETS.items():
        assert f"{name}={value}" not in seen


def test_a_stage_inherits_no_open_file_and_no_memory_of_the_gateway(stage: Stage) -> None:
    assert not [text for text in stage("descriptors") if ".db" in text or "TCP" in text or ".json" in text]
    assert stage("memory") == []


@needs_landlock
@pytest.mark.parametrize(
    "name", ["gateway.db", "gateway.db-routing-keys.json", "gateway.db-wal", "allowed/upstream.key", "training.jsonl"]
)
def test_a_stage_cannot_read_replace_or_move_a_file_of_the_gateway(stage: Stage, name: str) -> None:
    file, folder = stage.folder / name, str(stage.folder / "data")
    before = file.read_bytes() if file.exists() else b""
    assert stage("read", file).startswith("refused")
    assert stage("child", file) == ""
    assert stage("read", f"/proc/{stage.running.process.pid}/root{file}").startswith("refused")
    for kind in ("write", "replace", "link", "move"):
        assert str(stage(kind, file, folder=folder)).startswith("refused")
    if name != "gateway.db-wal":
        assert file.read_bytes()[: len(before)] == before
    assert str(stage("move", file.parent, folder=folder)).startswith("refused")


@needs_landlock
def test_a_stage_cannot_read_the_content_of_another_version(stage: Stage) -> None:
    other = stage.folder / "gateway.db-artifacts" / ("0" * 64)
    other.mkdir()
    (other / "weights.bin").write_bytes(b"another tenant's")
    assert stage("read", other / "weights.bin").startswith("refused")


@needs_landlock
def test_a_stage_cannot_read_what_is_hidden_and_made_after_its_start(stage: Stage) -> None:
    keys = stage.folder / "later" / "keys"
    keys.mkdir(parents=True)
    (keys / "upstream.key").write_text("a-secret-of-an-upstream\n")
    assert stage("read", keys / "upstream.key").startswith("refused")


def test_a_stage_reads_its_own_files_and_those_that_are_nobodys_secret(stage: Stage) -> None:
    assert stage("table") == "[1, 2]"
    assert stage("scratch") == "kept"
    assert stage("read", os.__file__).startswith("r")
    if os.geteuid() == stage("user"):
        assert stage("read", stage.folder / "data" / "features.csv") == "a,b\n"
        assert stage("write", stage.folder / "data" / "written.txt") == 2


def test_a_user_that_versions_cannot_run_as_is_refused_at_the_start(tmp_path: Path) -> None:
    command = [*NLAPI, "gateway", "serve", "--example", "--port", "0", "--database", str(tmp_path / "gateway.db")]
    refused = subprocess.run(
        [*command, "--worker-user", "no-such-user"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert refused.returncode == 2
    assert "--worker-user no-such-user: there is no such user" in refused.stderr


def test_the_boundary_of_another_user_is_said_where_it_cannot_be_had(tmp_path: Path) -> None:
    other = next((entry.pw_name for entry in pwd.getpwall() if entry.pw_uid not in (0, os.geteuid())), "")
    if os.geteuid() == 0 or not other:
        pytest.skip("root may start processes of another user")
    command = [*NLAPI, "gateway", "serve", "--example", "--port", "0", "--database", str(tmp_path / "gateway.db")]
    refused = subprocess.run([*command, "--worker-user", other], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "only root can start processes of another user" in refused.stderr
