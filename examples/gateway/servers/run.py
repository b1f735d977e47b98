"""Serves one objective by a model server: python run.py mlserver|ray|bentoml [--keep].

Starts the server on loopback, registers it at a gateway as a shard with a model, a version and an objective, and sends
a request through the gateway. The server's packages go into an environment of their own, .venvs/NAME, unless --python
names one that has them. The gateway is started too, unless --gateway says where one runs whose admin token is in
NLAPI_GATEWAY_TOKEN. Everything that was started ends with the script, at once without --keep.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
CUSTOMERS = [
    {"age": 31, "spent": 120.5, "country": "DE"},
    {"age": 55, "spent": 300.0, "country": "BR"},
]
START_S, STOP_S = 120, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A model server: what it needs, how it starts, and what the gateway is told of it."""

    packages: tuple[str, ...]
    command: Callable[[Path, Path, int, int], list[str]]
    """from the Python of its environment, a folder to write toand its port"""
    ready_path: str
    shard: dict[str, Any]
    path: str
    version: dict[str, Any]
    input: Any


def mlserver_command(python: Path, folder: Path, port: int) -> list[str]:
    """Fit the model and write the settings; the metrics take a port that is free."""
    model = folder / "shop"
    model.mkdir()
    subprocess.run([python, FOLDER / "shop_model.py", model / "model.joblib"], check=True)
    settings = {
        "name": "shop",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "1"},
    }
    (model / "model-settings.json").write_text(json.dumps(settings), encoding="utf-8")
    # Without parallel workers there is one process. `debug`, which is on, answers a failure with its traceback: the
    # gateway takes the last line of it for the operators.
    server = {
        "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
        "parallel_workers": 0,
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(server), encoding="utf-8")
    return [str(python.with_name("mlserver")), "start", str(folder)]


def ray_command(python: Path, folder: Path, port: int) -> list[str]:
    return [str(python), str(FOLDER / "ray_app.py"), str(port)]


def bentoml_command(python: Path, folder: Path, port: int) -> list[str]:
    return [str(python.with_name("bentoml")), "serve", "bento_app:Shop", "--working-dir", str(FOLDER),
            "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip


SERVERS = {
    "mlserver": Server(
        packages=("mlserver", "mlserver-sklearn", "pandas"),
        command=mlserver_command,
        ready_path="/v2/models/shop/ready",
        # The gateway's names for the version need not be the server's.
        shard={"protocol": "oip-v2", "versioned_paths": False},
        path="",
        # Outputs that are required are asked for: MLServer gives the label alone otherwise.
        version={
            "form": "columns",
            "output": {"type": "array", "items": {"type": "object", "required": ["predict", "predict_proba"]}},
        },
        input=CUSTOMERS,
    ),
    "ray": Server(
        packages=("ray[serve]", "scikit-learn", "pandas"),
        command=ray_command,
        ready_path="/ready",
        shard={"protocol": "json"},
        path="/",
        version={},
        input={"customers": CUSTOMERS},
    ),
    "bentoml": Server(
        packages=("bentoml", "scikit-learn", "pandas"),
        command=bentoml_command,
        ready_path="/readyz",
        shard={"protocol": "json"},
        path="/score",
        version={},
        input={"customers": CUSTOMERS},
    ),
}


class Api:
    """Calls of a gateway with a token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer's JSON. SystemExit with the gateway's text when it refuses."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from None


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def environment_python(name: str, packages: tuple[str, ...]) -> Path:
    """Return the Python of an environment with the packages, which is made when it is missing."""
    folder = Path(".venvs").resolve() / name
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        print(f"installing {', '.join(packages)} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        (folder / ".installed").write_text("\n".join(packages), encoding="utf-8")
    return python


@contextmanager
def started(name: str, command: list[str], url: str, cwd: Path) -> Iterator[None]:
    """A process and its children, once it answers at a URL, ended at the end of the block. SystemExit when it ends."""
    log = cwd / f"{name}.log"
    # A session of its own: the processes that it starts are ended with it, by their group.
    with log.open("wb") as stream:
        environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        process = subprocess.Popen(
            command, cwd=cwd, stdout=stream, stderr=stream, env=environment, start_new_session=True
        )
    try:
        end = time.monotonic() + START_S
        while not answers(url):
            if process.poll() is not None or time.monotonic() > end:
                tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                state = f"did not start within {START_S} s" if process.poll() is None else "ended"
                raise SystemExit(f"{name} {state}; the end of its log:\n{tail}")
            time.sleep(0.2)
        yield
    finally:
        stop(process)


def answers(url: str) -> bool:
    """Return whether a URL answers with a success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process in order, and then what is left of its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.terminate()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def own_gateway(folder: Path) -> Iterator[Api]:
    """A gateway without objectives, on a free port, with a database in the folder."""
    port, token = free_port(), folder / "token"
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("nlapi")), "gateway", "serve", "--port", str(port),
               "--database", str(folder / "gateway.db"), "--token-file", str(token)]  # fmt: skip
    with started("gateway", command, f"{url}/livez", folder):
        yield Api(url, token.read_text(encoding="utf-8").strip())


def register(api: Api, name: str, server: Server, endpoint: str) -> str:
    """Register the server, and return a token for a client."""
    shard = {"name": name, "endpoints": [endpoint], **server.shard}
    api("POST", "/v1/shards", shard)
    api("POST", "/v1/models", {"name": "shop"})
    api("POST", "/v1/models/shop/versions", {"version": name, "shard": name, **server.version})
    objective = {"name": "buys-again", "model": "shop", "version": name, "timeout_ms": 30_000}
    api("POST", "/v1/objectives", objective)
    token = api("POST", "/v1/tokens", {"name": f"{name}-client", "audience": "serve"})
    return str(token["token"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("server", choices=sorted(SERVERS))
    parser.add_argument("--keep", action="store_true", help="serve until Ctrl-C")
    parser.add_argument("--python", type=Path, help="the Python of an environment that has the server's packages")
    parser.add_argument(
        "--gateway", metavar="URL", help="a gateway that runs, with its admin token in NLAPI_GATEWAY_TOKEN"
    )
    options = parser.parse_args()
    name, server = options.server, SERVERS[options.server]
    python = options.python.absolute() if options.python else environment_python(name, server.packages)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nlapi-")))
        port = free_port()
        command = server.command(python, folder, port)
        url = f"http://127.0.0.1:{port}"
        stack.enter_context(started(name, command, url + server.ready_path, folder))
        if options.gateway:
            api = Api(options.gateway.rstrip("/"), os.environ["NLAPI_GATEWAY_TOKEN"])
        else:
            api = stack.enter_context(own_gateway(folder))
        token = register(api, name, server, url + server.path)
        serve = Api(api.url, token)
        served = serve("POST", "/v1/objectives/buys-again/serve", {"input": server.input})
        print(json.dumps(served), flush=True)
        if options.keep:
            print(f"the gateway is {api.url}; Ctrl-C ends what was started", file=sys.stderr, flush=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
