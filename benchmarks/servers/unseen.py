"""Six servers that no part of nlapi was written against, logged in to as docs/accounts.md says.

Each is seeded once over its own API; the folder of the seeded state is put back after a change.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from benchmarks.servers.client import Client
from benchmarks.servers.packages import python_environment
from benchmarks.servers.processes import start
from benchmarks.servers.server import Server
from benchmarks.servers.state import State

PASSWORD = "pw-12345678"


class Unseen(Server):
    """A server from PyPI that serves its own description."""

    description = ""
    package: ClassVar[str]
    version: ClassVar[str]
    extra: ClassVar[str] = ""
    further: ClassVar[Sequence[str]] = ()
    """Requirements beside the package: what it forgets to name, or does not run with."""
    described_at: ClassVar[str]
    ready_at: ClassVar[str]
    seconds: ClassVar[float] = 240.0
    programs: Path

    def install(self) -> str:
        environment = python_environment(self.package, self.version, self.extra, self.further)
        if isinstance(environment, str):
            return environment
        self.programs = environment
        return ""

    @property
    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command that serves."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of the server, beside PATH and HOME."""
        return {}

    @property
    def working_folder(self) -> Path:
        return self.data

    def prepare(self) -> None:
        """Make what the server needs before its first start."""

    @abstractmethod
    def seed(self) -> None:
        """Bring about the seeded state, over the API."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def client(self) -> Client:
        return Client(port=self.port, headers=self.login)

    @property
    def login(self) -> Mapping[str, str]:
        """The headers of a client that is logged in."""
        return {}

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self._launch()
        self.seed()
        self.stop()
        shutil.copytree(self.data, self.folder / "seeded")
        self._launch()
        document = self.client.get(self.described_at)
        (self.folder / "description.json").write_text(json.dumps(document), encoding="utf-8")

    def description_file(self) -> Path | None:
        return self.folder / "description.json"

    def restore(self) -> None:
        self.stop()
        shutil.rmtree(self.data)
        shutil.copytree(self.folder / "seeded", self.data)
        self._launch()

    def _launch(self) -> None:
        self.process = start(
            self.command,
            self.folder / "log",
            lambda: self.client.answers(self.ready_at),
            seconds=self.seconds,
            environment=self.environment,
            folder=self.working_folder,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.data), **self.variables}

    def run(self, *words: str, text: str = "") -> str:
        """Run a program of the server to its end, and return what it prints."""
        command = [str(self.programs / words[0]), *words[1:]]
        done = subprocess.run(
            command, input=text, cwd=self.data, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def items(self, path: str, kind: str, name: str, fields: Iterable[str]) -> dict[str, Any]:
        """Return the items of a list of the API by the field with their name."""
        answer = self.client.get(path)
        entries = answer if isinstance(answer, list) else next(v for v in answer.values() if isinstance(v, list))
        return {f"{kind} {entry[name]}": {field: entry.get(field) for field in fields} for entry in entries}


class Bugsink(Unseen):
    """Error tracking, with Django: a bearer token."""

    name = package = "bugsink"
    version = "2.6.2"
    further = ("gunicorn",)
    described_at = "/api/canonical/0/schema/?format=json"
    ready_at = "/api/canonical/0/teams/"
    token = ""

    @property
    def command(self) -> Sequence[str]:
        return [
            str(self.programs / "gunicorn"), "--bind", f"127.0.0.1:{self.port}", "--threads", "4", "bugsink.wsgi",
        ]  # fmt: skip

    @property
    def login(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"BearerAuth": self.token}

    def prepare(self) -> None:
        address = f"http://127.0.0.1:{self.port}"
        self.run("bugsink-create-conf", "--template=local", f"--host={address}", "--port", str(self.port))
        with (self.data / "bugsink_conf.py").open("a", encoding="utf-8") as file:
            file.write('SNAPPEA = {"TASK_ALWAYS_EAGER": True}\n')
        self.run("bugsink-manage", "migrate")
        self.run("bugsink-manage", "migrate", "--database=snappea")
        self.token = self.run("bugsink-manage", "create_auth_token").split()[-1]

    def seed(self) -> None:
        api = "/api/canonical/0"
        teams = {name: self.client.post(f"{api}/teams/", {"name": name})["id"] for name in ("Web", "Mobile", "Data")}
        projects = {}
        for team, name in (("Web", "shop-frontend"), ("Web", "checkout"), ("Mobile", "android-app")):
            body = {"team": teams[team], "name": name, "alert_on_new_issue": False}
            projects[name] = self.client.post(f"{api}/projects/", body)
        for version in ("1.0.0", "1.1.0"):
            body = {"project": projects["shop-frontend"]["id"], "version": version}
            self.client.post(f"{api}/releases/", body)
        self.client.post(f"{api}/releases/", {"project": projects["checkout"]["id"], "version": "3.2.1"})
        for name, kind, text in (
            ("shop-frontend", "TypeError", "cart is undefined"),
            ("shop-frontend", "TimeoutError", "search took too long"),
            ("checkout", "ValueError", "negative amount"),
        ):
            self._event(self.client.get(f"{api}/projects/{projects[name]['id']}/"), kind, text)

    def _event(self, project: Mapping[str, Any], kind: str, text: str) -> None:
        key = project["dsn"].partition("//")[2].partition("@")[0]
        sender = Client(port=self.port, headers={"X-Sentry-Auth": f"Sentry sentry_key={key}, sentry_version=7"})
        number = sum(map(ord, text))
        event = {
            "event_id": f"{number:032x}", "platform": "python", "level": "error", "timestamp": 1796000000,
            "exception": {"values": [{"type": kind, "value": text}]},
        }  # fmt: skip
        sender.post(f"/api/{project['id']}/store/", event)

    def snapshot(self) -> State:
        api = "/api/canonical/0"
        teams = self.items(f"{api}/teams/", "team", "name", ("visibility",))
        fields = ("team", "visibility", "alert_on_new_issue", "alert_on_regression", "retention_max_event_count")
        projects = self.items(f"{api}/projects/", "project", "name", fields)
        state: dict[str, Any] = {**teams, **projects}
        for project in self.client.get(f"{api}/projects/")["results"]:
            number = project["id"]
            state |= self.items(f"{api}/releases/?project={number}", f"release {project['name']}", "version", ())
            flags = ("is_resolved", "is_muted", "is_resolved_by_next_release")
            state |= self.items(f"{api}/issues/?project={number}", "issue", "calculated_type", flags)
            for issue in self.client.get(f"{api}/issues/?project={number}")["results"]:
                self.references[f"issue_{issue['calculated_type']}"] = issue["id"]
                history = self.client.get(f"{api}/issue-history/?issue={issue['id']}")["results"]
                comments = [entry["comment"] for entry in history if entry.get("comment")]
                state[f"issue {issue['calculated_type']}"] |= {"comments": comments}
        return state


class Evidently(Unseen):
    """Evaluation of models, with Litestar: no login."""

    name = package = "evidently"
    version = "0.7.23"
    further = ("pandas<3",)
    described_at = "/schema/openapi.json"
    ready_at = "/api/version"

    @property
    def command(self) -> Sequence[str]:
        program = str(self.programs / "evidently")
        return [program, "ui", "--workspace", "ws", "--host", "127.0.0.1", "--port", str(self.port)]

    @property
    def variables(self) -> Mapping[str, str]:
        return {"DO_NOT_TRACK": "1"}

    def seed(self) -> None:
        for name, text in (("fraud", "Card fraud"), ("churn", "Who leaves"), ("pricing", "")):
            self.references[f"project_{name}"] = self.client.post(
                "/api/v2/projects", {"name": name, "description": text}
            )
        fraud = self.references["project_fraud"]
        for name in ("greeting", "summary"):
            self.client.post(f"/api/prompts?project_id={fraud}", {"name": name, "metadata": {}})

    def snapshot(self) -> State:
        state = self.items("/api/projects", "project", "name", ("description",))
        for project in self.client.get("/api/projects"):
            path = f"/api/prompts?project_id={project['id']}"
            state |= self.items(path, f"prompt {project['name']}", "name", ())
        return state


class LangGraph(Unseen):
    """A server of agents, with Starlette: no login; assistants, threads, runs, crons and a store, searched by POST."""

    name = "langgraph"
    package, version, extra = "langgraph-cli", "0.4.40", "inmem"
    described_at = "/openapi.json"
    ready_at = "/ok"

    GRAPH = """\
from typing import TypedDict
from langgraph.graph import StateGraph, START, END
class State(TypedDict):
    text: str
def shout(state: State) -> State:
    return {"text": state.get("text", "").upper()}
graph = StateGraph(State).add_node("shout", shout).add_edge(START, "shout").add_edge("shout", END).compile()
"""

    @property
    def command(self) -> Sequence[str]:
        words = ["dev", "--host", "127.0.0.1", "--port", str(self.port), "--no-browser", "--no-reload"]
        return [str(self.programs / "langgraph"), *words]

    @property
    def variables(self) -> Mapping[str, str]:
        return {"LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1"}

    def prepare(self) -> None:
        (self.data / "langgraph.json").write_text(
            '{"dependencies": ["."], "graphs": {"agent": "./agent.py:graph"}, "env": {}}', encoding="utf-8"
        )
        (self.data / "agent.py").write_text(self.GRAPH, encoding="utf-8")

    def seed(self) -> None:
        for number, (name, text) in enumerate((("translator", "Translates"), ("weather helper", ""), ("triage", ""))):
            body: dict[str, Any] = {
                "assistant_id": f"{number + 1:08x}-0000-4000-8000-000000000000", "graph_id": "agent", "name": name,
                "description": text or None, "metadata": {"team": "support" if number else "docs"},
            }  # fmt: skip
            self.references[f"assistant_{number}"] = self.client.post("/assistants", body)["assistant_id"]
        for number, customer in enumerate(("acme", "acme", "globex")):
            thread: dict[str, Any] = {
                "thread_id": f"{number + 1:08x}-1111-4000-8000-000000000000", "metadata": {"customer": customer}
            }  # fmt: skip
            self.references[f"thread_{number}"] = self.client.post("/threads", thread)["thread_id"]
        for key, value in (("color", {"value": "blue"}), ("size", {"value": "large"})):
            body = {"namespace": ["prefs"], "key": key, "value": value}
            self.client.send("PUT", "/store/items", body)

    def snapshot(self) -> State:
        state: dict[str, dict[str, Any]] = {}
        for entry in self.client.post("/assistants/search", {"limit": 100}):
            fields = ("name", "description", "metadata", "graph_id")
            state[f"assistant {entry['name']}"] = {field: entry.get(field) for field in fields}
        for entry in self.client.post("/threads/search", {"limit": 100}):
            state[f"thread {entry['thread_id']}"] = {"metadata": entry["metadata"], "status": entry["status"]}
            for run in self.client.get(f"/threads/{entry['thread_id']}/runs"):
                state[f"run {run['run_id']}"] = {"thread": entry["thread_id"]}
        for entry in self.client.post("/store/items/search", {"namespace_prefix": [], "limit": 100})["items"]:
            state[f"item {'.'.join(entry['namespace'])}/{entry['key']}"] = {"value": entry["value"]}
        for entry in self.client.post("/runs/crons/search", {"limit": 100}):
            state[f"cron {entry['cron_id']}"] = {"schedule": entry["schedule"]}
        return state


class LNbits(Unseen):
    """Wallets and invoices, with FastAPI: a bearer token of a user's login, or a key of a wallet in a header."""

    name = package = "lnbits"
    version = "1.6.2"
    further = ("bitstring<4.3",)
    described_at = "/openapi.json"
    ready_at = "/api/v1/health"
    token = ""

    @property
    def command(self) -> Sequence[str]:
        return [str(self.programs / "lnbits"), "--host", "127.0.0.1", "--port", str(self.port)]

    @property
    def working_folder(self) -> Path:
        # Its templates are found by a path that is relative to the package.
        return next((self.programs.parent / "lib").glob("python*/site-packages"))

    @property
    def variables(self) -> Mapping[str, str]:
        return {
            "LNBITS_DATA_FOLDER": str(self.data),
            "LNBITS_BACKEND_WALLET_CLASS": "FakeWallet",
            "LNBITS_ADMIN_UI": "true",
        }

    @property
    def login(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"bearer": self.token}

    def seed(self) -> None:
        body = {"username": "admin", "password": PASSWORD, "password_repeat": PASSWORD}
        self.token = self.client.send("PUT", "/api/v1/auth/first_install", body)["access_token"]
        self.references["wallet_first"] = self.client.get("/api/v1/wallets")[0]["id"]
        for name in ("savings", "holiday"):
            wallet = self.client.post("/api/v1/wallet", {"name": name})
            self.references[f"wallet_{name}"] = wallet["id"]
        for name in ("alice", "bob"):
            body = {"username": name, "password": PASSWORD, "password_repeat": PASSWORD, "email": f"{name}@example.com"}
            self.references[f"user_{name}"] = self.client.post("/users/api/v1/user", body)["id"]
        deposit = {"amount": 5000, "id": self.references["wallet_savings"]}
        self.client.send("PUT", "/users/api/v1/balance", deposit)

    def snapshot(self) -> State:
        state: dict[str, dict[str, Any]] = {}
        for wallet in self.client.get("/api/v1/wallets"):
            state[f"wallet {wallet['name']}"] = {"balance": wallet["balance_msat"], "currency": wallet.get("currency")}
        for user in self.client.get("/users/api/v1/user")["data"]:
            details = self.client.get(f"/users/api/v1/user/{user['id']}")
            fields = ("username", "email", "activated")
            state[f"user {user['username']}"] = {field: details.get(field) for field in fields}
            wallets = self.client.get(f"/users/api/v1/user/{user['id']}/wallet")
            state |= {f"wallet {user['username']}/{entry['name']}": {"deleted": entry["deleted"]} for entry in wallets}
        return state


class Pretalx(Unseen):
    """A conference, with Django: a token in `Authorization`, which its description does not name."""

    name = package = "pretalx"
    version = "2025.2.2"
    further = ("drf-spectacular",)
    described_at = ""
    ready_at = "/api/"
    token = ""

    SEED = """\
import datetime as dt
from django_scopes import scopes_disabled
from pretalx.event.models import Event, Organiser, Team
from pretalx.person.models import User
from pretalx.person.models.auth_token import ENDPOINTS, PERMISSION_CHOICES, UserApiToken
with scopes_disabled():
    user = User.objects.create_user(email="ada@example.com", password="{password}", name="Ada Admin")
    organiser = Organiser.objects.create(name="Demo", slug="demo")
    team = Team.objects.create(
        organiser=organiser, name="Team", all_events=True, can_create_events=True, can_change_teams=True,
        can_change_organiser_settings=True, can_change_event_settings=True, can_change_submissions=True,
        is_reviewer=True,
    )
    team.members.add(user)
    event = Event.objects.create(
        organiser=organiser, name="DemoCon", slug="democon", is_public=True, email="ada@example.com",
        date_from=dt.date(2027, 5, 4), date_to=dt.date(2027, 5, 6), timezone="UTC", locale="en", locale_array="en",
        content_locale_array="en",
    )
    token = UserApiToken.objects.create(
        user=user, name="all", endpoints={{name: [key for key, _ in PERMISSION_CHOICES] for name in ENDPOINTS}},
    )
    token.events.add(event)
    print("TOKEN", token.token)
"""

    @property
    def command(self) -> Sequence[str]:
        return [str(self.programs / "python"), "-m", "pretalx", "runserver", "--noreload", f"127.0.0.1:{self.port}"]

    @property
    def variables(self) -> Mapping[str, str]:
        return {"PRETALX_CONFIG_FILE": str(self.data / "pretalx.cfg")}

    @property
    def login(self) -> Mapping[str, str]:
        return {"Authorization": f"Token {self.token}"}

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"header:Authorization": f"Token {self.token}"}

    def prepare(self) -> None:
        (self.data / "pretalx.cfg").write_text(
            f"[filesystem]\ndata={self.data}\n[database]\nbackend=sqlite3\nname={self.data}/db.sqlite3\n"
            f"[site]\nurl=http://127.0.0.1:{self.port}\ndebug=True\n",
            encoding="utf-8",
        )
        self.run("python", "-m", "pretalx", "migrate")
        code = self.SEED.format(password=PASSWORD)
        printed = self.run("python", "-m", "pretalx", "shell", "--unsafe-disable-scopes", "-c", code)
        self.token = printed.rpartition("TOKEN ")[2].split()[0]
        self.run("python", "-m", "pretalx", "spectacular", "--format", "openapi-json", "--file", "schema.json")

    def start(self) -> None:
        super().start()
        shutil.copy(self.data / "schema.json", self.folder / "description.json")

    def seed(self) -> None:
        api = "/api/events/democon"
        for name, seats in (("Main Hall", 400), ("Workshop Room", 40), ("Attic", 15)):
            self.client.post(f"{api}/rooms/", {"name": {"en": name}, "capacity": seats})
        for tag, color in (("beginner", "#00ff00"), ("security", "#ff0000")):
            self.client.post(f"{api}/tags/", {"tag": tag, "color": color})
        for name, color in (("Science", "#112233"), ("Society", "#445566")):
            self.client.post(f"{api}/tracks/", {"name": {"en": name}, "color": color})
        kind = self.client.get(f"{api}/submission-types/")["results"][0]["id"]
        for title, minutes in (("Taming Snakes", 30), ("Rust for Poets", 45), ("The Last Byte", 30)):
            body = {
                "title": title,
                "submission_type": kind,
                "duration": minutes,
                "content_locale": "en",
                "abstract": ".",
            }
            self.references[title] = self.client.post(f"{api}/submissions/", body)["code"]

    def snapshot(self) -> State:
        api, state = "/api/events/democon", dict[str, Any]()
        for path, kind, name, fields in (
            ("rooms", "room", "name", ("capacity", "description")),
            ("tags", "tag", "tag", ("color", "is_public")),
            ("tracks", "track", "name", ("color",)),
            ("submission-types", "type", "name", ("default_duration",)),
            ("submissions", "submission", "title", ("state", "duration", "track", "is_featured", "internal_notes")),
        ):
            for entry in self.client.get(f"{api}/{path}/")["results"]:
                title = entry[name]["en"] if isinstance(entry[name], dict) else entry[name]
                state[f"{kind} {title}"] = {field: entry.get(field) for field in fields}
        return state


class ZenML(Unseen):
    """Machine learning, with FastAPI: the password flow of OAuth2."""

    name = package = "zenml"
    version, extra = "0.98.0", "server"
    described_at = "/openapi.json"
    ready_at = "/health"
    token = ""

    @property
    def command(self) -> Sequence[str]:
        program = str(self.programs / "uvicorn")
        return [program, "zenml.zen_server.zen_server_api:app", "--host", "127.0.0.1", "--port", str(self.port)]

    @property
    def variables(self) -> Mapping[str, str]:
        return {
            "PATH": f"{self.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "ZENML_CONFIG_PATH": str(self.data / "configuration"),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_SERVER_DEPLOYMENT_TYPE": "other",
            "ZENML_SERVER_JWT_SECRET_KEY": "b" * 64,
        }

    @property
    def login(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"CookieOAuth2TokenBearer": self.token}

    def seed(self) -> None:
        self.client.send("PUT", "/api/v1/activate", {"admin_username": "admin", "admin_password": PASSWORD})
        self.token = self._log_in()
        api = "/api/v1"
        for name in ("vision", "speech"):
            self.client.post(f"{api}/projects", {"name": name, "description": name})
        for name, color in (("nightly", "blue"), ("stale", "grey"), ("release", "green")):
            self.client.post(f"{api}/tags", {"name": name, "color": color})
        self.client.post(f"{api}/users", {"name": "alice", "password": PASSWORD, "is_admin": False, "active": True})
        for name in ("ci", "deploy"):
            self.client.post(f"{api}/service_accounts", {"name": name, "active": True})
        self.client.post(f"{api}/secrets", {"name": "aws", "values": {"key": "x"}})

    def _log_in(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        form = urlencode({"username": "admin", "password": PASSWORD})
        connection.request("POST", "/api/v1/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
        token = json.loads(connection.getresponse().read())["access_token"]
        connection.close()
        return str(token)

    def snapshot(self) -> State:
        state: dict[str, Any] = {}
        for path, kind, fields in (
            ("projects", "project", ("display_name",)),
            ("tags", "tag", ("color", "exclusive")),
            ("users", "user", ("active", "full_name")),
            ("service_accounts", "account", ("active",)),
            ("secrets", "secret", ("private",)),
        ):
            for entry in self.client.get(f"/api/v1/{path}")["items"]:
                state[f"{kind} {entry['name']}"] = {field: entry["body"].get(field) for field in fields}
        return state


UNSEEN: tuple[type[Server], ...] = (Bugsink, Evidently, LangGraph, LNbits, Pretalx, ZenML)
