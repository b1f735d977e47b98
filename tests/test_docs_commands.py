"""What README and docs tell people to type works: every block of commands is run, or says why it is not."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import nlapi
from nlapi.sandbox import running
from tests.cli.kit import dialogue, run
from tests.docs_commands import (
    GENERATED,
    PAGES,
    ROOT,
    SHELL,
    Block,
    blocks,
    command_words,
    serves,
    shown_patterns,
    unknown_word,
)
from tests.gateway.kit import gateway

OWN_TESTS = ("docs/models.md", "docs/habits.md")
"""Pages whose commands other tests run: at scripted models, and in tables."""
SANDBOX = "http://127.0.0.1:8080"
GATEWAY = "http://127.0.0.1:8700"
CONSENT_WAS_NEEDED = 6


@dataclass(slots=True)
class Desk:
    """Where the commands of one page are run: a folder, a sandbox of `ads`, a gateway, and variables."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    gateway: dict[str, str]
    servers: ExitStack
    variables: dict[str, str] = field(default_factory=dict)
    sandbox: str = ""

    def set_variable(self, name: str, value: str) -> None:
        self.variables[name] = value
        self.monkeypatch.setenv(name, value)

    def run_block(self, block: Block) -> None:
        if block.title:
            (self.folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / block.title).write_text(block.text, encoding="utf-8")
        if block.language == "console" and block.is_run:
            self._run_session(block)
        elif block.is_run:
            for line in block.commands:
                self._run_line(block, line)

    def _run_line(self, block: Block, line: str) -> None:
        words, target = command_words(self._addressed(line), self.variables)
        place = f"{block.page}:{block.line}: {line}"
        if words[0] == "export":
            for word in words[1:]:
                self.set_variable(*word.split("=", 1))
        elif re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL) and len(words) == 1:
            self.set_variable(*words[0].split("=", 1))
        elif words[0] == "nlapi":
            self._run_nlapi(words[1:], target, place)
        else:
            raise AssertionError(f"{place}: mark the block `<!-- not run: the reason -->`, or use nlapi alone")

    def _run_nlapi(self, words: list[str], target: str, place: str) -> None:
        if serves(words):
            assert unknown_word(words) == "", place
            return
        if words[0] == "gateway" and words[1] != "token" and "--help" not in words:
            words = [*words, "--base-url", self.gateway["url"]]
        done = run(*words)
        asked = words[0] in ("ask", "call", "batch", "workflow", "gateway") and not {"--yes", "-y"} & set(words)
        assert done.code in ((0, CONSENT_WAS_NEEDED) if asked else (0,)), f"{place}\n{done.out}\n{done.err}"
        if target:
            (self.folder / target).write_text(done.out, encoding="utf-8")

    def _run_session(self, block: Block) -> None:
        for line, answers, patterns in shown_patterns(block):
            words, _ = command_words(self._addressed(line), self.variables)
            if words[0] != "nlapi" or serves(words[1:]):
                self._run_line(block, line)
                continue
            with dialogue(*words[1:]) as talk:
                for question, answer in answers:
                    talk.expect(question)
                    talk.type(f"{answer}\n")
                talk.end()
                seen = talk.seen.replace("\r", "")
            for pattern in patterns:
                assert pattern.search(seen), f"{block.page}:{block.line}: {line}\nno {pattern.pattern}\n{seen}"

    def _addressed(self, line: str) -> str:
        return line.replace(SANDBOX, self.sandbox).replace(GATEWAY, self.gateway["url"])


@pytest.fixture(scope="module")
def served_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The address of a gateway for all pages, and the token of its admin."""
    with gateway(tmp_path_factory.mktemp("gateway")) as talk:
        yield {"url": f"http://127.0.0.1:{talk.port}", "token": talk.token}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of parsed descriptions, for all pages: each is parsed once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, served_gateway: dict[str, str]) -> Path:
    """The folder of settings that each page begins with: the gateway is registered."""
    folder = tmp_path_factory.mktemp("settings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLAPI_CONFIG_DIR", str(folder))
        assert run("api", "add", "gateway", "gateway", "--base-url", served_gateway["url"]).code == 0
    return folder


@pytest.fixture(scope="module")
def ads() -> nlapi.Spec:
    return nlapi.load("ads")


@pytest.fixture
def desk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    served_gateway: dict[str, str],
    cache: Path,
    settings: Path,
    ads: nlapi.Spec,
) -> Iterator[Desk]:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "NLAPI_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "banner.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "openapi.yaml").write_bytes((ROOT / "specs" / "ads.yaml").read_bytes())
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with ExitStack() as servers:
        made = Desk(folder=tmp_path, monkeypatch=monkeypatch, gateway=served_gateway, servers=servers)
        made.sandbox = servers.enter_context(running(ads)).url
        variables = {f"NLAPI_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "STATE")}
        variables |= {
            "NLAPI_CACHE_DIR": str(cache),
            "NO_COLOR": "1",
            "COLUMNS": "100",
            "TOKEN": "any",
            "SHOP_TOKEN": "any",
        }
        variables |= {"NLAPI_GATEWAY_TOKEN": served_gateway["token"], "EDITOR": "true"}
        for name, value in variables.items():
            made.set_variable(name, value)
        shutil.copytree(settings, tmp_path / "config")
        yield made


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in (*GENERATED, *OWN_TESTS) and any(block.is_run for block in blocks(page))],
)
def test_the_commands_of_a_page_work(page: str, desk: Desk) -> None:
    for block in blocks(page):
        desk.run_block(block)


def test_the_program_on_the_page_about_scripts_runs(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = [block.text for block in blocks("docs/scripts.md") if block.language == "python"]
    exec(compile(program, "docs/scripts.md", "exec"), {})
    assert capsys.readouterr().out.startswith("GET https://ads.example.com/v1/campaigns/cmp_7h2k9q4m\n")


def test_the_agent_for_people_who_come_from_langchain_is_the_one_that_runs() -> None:
    agents = [block.text for block in blocks("docs/agents.md")]
    assert [block.text in agents for block in blocks("docs/from-langchain.md")] == [False, True]


def test_every_block_says_what_it_is() -> None:
    for page in PAGES:
        if page not in GENERATED:
            assert [block.line for block in blocks(page) if not block.language] == [], page


def test_what_is_not_run_has_only_words_that_the_program_knows() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.language in SHELL and block.reason:
                for line in block.commands:
                    if line.startswith("nlapi "):
                        words = shlex.split(line)[1:]
                        assert unknown_word(words) == "", f"{page}:{block.line}: {line}"
