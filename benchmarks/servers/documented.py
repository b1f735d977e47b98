"""Five servers whose logins docs/accounts.md names: Kinto, Jupyter Server, JupyterHub, Airflow, changedetection.io."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.servers.state import State
from benchmarks.servers.unseen import PASSWORD, Unseen


class Documented(Unseen):
    """A server that is seeded over its API once it serves, and is not restored."""

    secret = ""
    """The name and the password of a user, where a login begins with them."""

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self._launch()
        self.describe()
        self.seed()

    def describe(self) -> None:
        """Write the description that the server serves."""
        document = self.client.get(self.described_at)
        text = document if isinstance(document, str) else json.dumps(document)
        (self.folder / "description.json").write_text(text, encoding="utf-8")

    def restore(self) -> None:
        """Leave all as it is: no sentence is about what another one made."""

    def snapshot(self) -> State:
        return {}


class Kinto(Documented):
    """A store of records, with Pyramid and Cornice: user and password, which its description does not name."""

    name = package = "kinto"
    version = "26.5.0"
    described_at = "/v1/__api__"
    ready_at = "/v1/__heartbeat__"

    @property
    def command(self) -> Sequence[str]:
        return [str(self.programs / "kinto"), "start", "--ini", "kinto.ini", "--port", str(self.port)]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    secret = f"ada:{PASSWORD}"

    @property
    def login(self) -> Mapping[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(self.secret.encode()).decode()}"}

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"basic": self.secret}

    def prepare(self) -> None:
        kinds = {"storage": "core.storage", "cache": "core.cache", "permission": "core.permission"}
        backends = "".join(f"kinto.{kind}_backend = kinto.{module}.memory\n" for kind, module in kinds.items())
        (self.data / "kinto.ini").write_text(
            "[server:main]\nuse = egg:waitress#main\nhost = 127.0.0.1\nport = %(http_port)s\n"
            f"[app:main]\nuse = egg:kinto\n{backends}multiauth.policies = basicauth\n"
            "kinto.userid_hmac_secret = benchmark\nkinto.bucket_create_principals = system.Authenticated\n"
            "[loggers]\nkeys = root\n[handlers]\nkeys = console\n[formatters]\nkeys = plain\n"
            "[logger_root]\nlevel = WARN\nhandlers = console\n"
            "[handler_console]\nclass = StreamHandler\nargs = (sys.stderr,)\nformatter = plain\n"
            "[formatter_plain]\nformat = %(message)s\n".replace("%(http_port)s", str(self.port)),
            encoding="utf-8",
        )

    def seed(self) -> None:
        for bucket in ("blog", "shop"):
            self.client.send("PUT", f"/v1/buckets/{bucket}", {"data": {"team": "web"}})
        self.client.send("PUT", "/v1/buckets/blog/collections/articles", {"data": {}})


class JupyterToken(Documented):
    """A server that takes `token ...` in `Authorization`."""

    token = secrets.token_hex(16)

    @property
    def login(self) -> Mapping[str, str]:
        return {"Authorization": f"token {self.token}"}

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"header:Authorization": f"token {self.token}"}


class Jupyter(JupyterToken):
    """Notebooks, with Tornado: `token ...` in `Authorization`."""

    name, package = "jupyter", "jupyter-server"
    version = "2.21.1"
    described_at = "/api/spec.yaml"
    ready_at = "/api/"

    @property
    def command(self) -> Sequence[str]:
        return [
            str(self.programs / "jupyter-server"), "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}",
            f"--IdentityProvider.token={self.token}", "--no-browser", "--allow-root",
        ]  # fmt: skip

    @property
    def variables(self) -> Mapping[str, str]:
        return {"JUPYTER_PLATFORM_DIRS": "1"}

    def seed(self) -> None:
        content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        for name in ("analysis.ipynb", "cleaning.ipynb"):
            body: dict[str, Any] = {"type": "notebook", "content": content}
            self.client.send("PUT", f"/api/contents/{name}", body)


class JupyterHub(JupyterToken):
    """Notebooks of many users, with Tornado: `token ...` in `Authorization`; the hub without its proxy in Node."""

    name = package = "jupyterhub"
    version = "6.1.1"
    described_at = ""
    ready_at = "/hub/api/"

    CONFIGURATION = """\
from jupyterhub.proxy import Proxy
class Nothing(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): self.routes[routespec] = {{"routespec": routespec, "target": target, "data": data}}
    async def delete_route(self, routespec): self.routes.pop(routespec, None)
    async def get_all_routes(self): return self.routes
    routes = {{}}
c.JupyterHub.proxy_class = Nothing
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.services = [{{"name": "benchmark", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "all", "services": ["benchmark"], "scopes": ["admin:users", "admin:groups", "admin:servers", "list:users", "tokens"]}}]
"""  # noqa: E501

    @property
    def command(self) -> Sequence[str]:
        return [str(self.programs / "jupyterhub"), "-f", "jupyterhub_config.py"]

    def install(self) -> str:
        """Install the hub, and fetch its description, which the archive of its source alone has."""
        if (reason := super().install()) or self.described.exists():
            return reason
        folder = self.described.parent
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", self.package]
        done = subprocess.run(
            [*pip, "--dest", str(folder), f"{self.package}=={self.version}"], capture_output=True, text=True
        )
        if done.returncode:
            return f"the source of {self.package} cannot be had: {done.stderr[-300:]}"
        (archive,) = folder.glob("*.tar.gz")
        with tarfile.open(archive) as content:
            name = next(name for name in content.getnames() if name.endswith("/rest-api.yml"))
            file = content.extractfile(name)
            assert file is not None
            self.described.write_bytes(file.read())
        return ""

    @property
    def described(self) -> Path:
        return self.programs.parent / "rest-api.yml"

    def prepare(self) -> None:
        text = self.CONFIGURATION.format(port=self.port, token=self.token)
        (self.data / "jupyterhub_config.py").write_text(text, encoding="utf-8")

    def describe(self) -> None:
        (self.folder / "description.json").write_bytes(self.described.read_bytes())

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hub/api"

    def seed(self) -> None:
        for user in ("bob", "alice"):
            self.client.post(f"/hub/api/users/{user}")
        self.client.post("/hub/api/groups/lab")


class Airflow(Documented):
    """Workflows, with FastAPI: a bearer token, which its own `POST /auth/token` gives for user and password."""

    name, package = "airflow", "apache-airflow"
    version = "3.3.2"
    described_at = "/openapi.json"
    ready_at = "/api/v2/version"
    token = ""

    DAG = """\
from airflow.sdk import dag, task
@dag(dag_id="nightly_export", schedule=None)
def export():
    @task
    def done(): return 1
    done()
export()
"""

    @property
    def command(self) -> Sequence[str]:
        return [
            str(self.programs / "airflow"), "api-server", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", "1",
        ]  # fmt: skip

    @property
    def variables(self) -> Mapping[str, str]:
        core = "AIRFLOW__CORE__"
        return {
            "AIRFLOW_HOME": str(self.data),
            f"{core}SIMPLE_AUTH_MANAGER_USERS": "ada:admin",
            f"{core}SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.data / "passwords.json"),
            f"{core}LOAD_EXAMPLES": "False",
            "AIRFLOW__API_AUTH__JWT_SECRET": "b" * 64,
            "PATH": f"{self.programs}:{sys.exec_prefix}/bin:/usr/bin:/bin",
        }

    @property
    def login(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    secret = f"ada:{PASSWORD}"

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"bearer": self.token}

    def prepare(self) -> None:
        (self.data / "passwords.json").write_text(json.dumps({"ada": PASSWORD}), encoding="utf-8")
        folder = self.data / "dags"
        folder.mkdir()
        (folder / "export.py").write_text(self.DAG, encoding="utf-8")
        self.run("airflow", "db", "migrate")
        self.run("airflow", "dags", "reserialize")

    def seed(self) -> None:
        self.token = self.client.post("/auth/token", {"username": "ada", "password": PASSWORD})["access_token"]
        api = "/api/v2"
        self.client.post(f"{api}/pools", {"name": "etl", "slots": 4, "description": "Nightly loads"})
        self.client.post(f"{api}/variables", {"key": "region", "value": "us", "description": "Where"})
        connection = {"connection_id": "warehouse", "conn_type": "postgres", "host": "old.internal", "login": "etl"}
        self.client.post(f"{api}/connections", connection)


class ChangeDetection(Documented):
    """Watches of pages, with Flask: a key in `x-api-key`."""

    name, package = "changedetection", "changedetection.io"
    version = "0.60.10"
    described_at = "/api/v1/full-spec"
    ready_at = "/"

    @property
    def command(self) -> Sequence[str]:
        return [
            str(self.programs / "changedetection.io"), "-d", str(self.data), "-h", "127.0.0.1", "-p", str(self.port),
            "-C",
        ]  # fmt: skip

    @property
    def token(self) -> str:
        for file in (self.data / "changedetection.json", self.data / "url-watches.json"):
            if file.exists():
                return str(json.loads(file.read_text("utf-8"))["settings"]["application"]["api_access_token"])
        return ""

    @property
    def login(self) -> Mapping[str, str]:
        return {"x-api-key": self.token}

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"header:x-api-key": self.token}

    @property
    def working_folder(self) -> Path:
        return self.data

    def seed(self) -> None:
        """Leave it empty."""
