"""The rules of the house: what is in the wheel, and how every module begins."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "nlapi").rglob("*.py"))
SHIPPED = ("prompts", "specs", "plugins", "examples/gateway")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_nlapi_ships_and_nothing_else(wheel: Path) -> None:
    packed = {one.removeprefix("nlapi/_data/") for one in zipfile.ZipFile(wheel).namelist()}
    files = [file for folder in SHIPPED for file in (ROOT / folder).rglob("*") if file.is_file()]
    assert {name(file) for file in files if "__pycache__" not in file.parts} <= packed
    assert {name(module) for module in MODULES} <= packed
    assert "nlapi/py.typed" in packed
    tops = {one.partition("/")[0] for one in packed}
    folders = {folder.partition("/")[0] for folder in SHIPPED}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"nlapi", *folders}


def test_what_is_shipped_is_found_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import nlapi, nlapi.bundled as r; print(nlapi.__file__); print(*r.spec_names());"
        "print(len(nlapi.load('ads').operations), len(r.text('prompts/agent.md')))"
    )
    options = {"cwd": tmp_path, "env": {"PYTHONPATH": str(tmp_path)}, "capture_output": True, "text": True}
    where, names, counts = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        **options,
    ).stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert "ads" in names.split()
    assert all(int(count) > 0 for count in counts.split())


def test_a_module_says_what_it_is_responsible_for_and_leaves_the_terminal_to_the_command_line() -> None:
    # The registered APIs and their credentials, which `nlapi.load` knows too; and whether a model's client has started
    # the process.
    readers = ("nlapi/registry.py", "nlapi/client_session.py", "nlapi/credential_references.py")
    for path in MODULES:
        module, tree = name(path), ast.parse(path.read_text(encoding="utf-8"))
        docstring = ast.get_docstring(tree)
        assert docstring, f"{module} begins with one sentence that says what it is responsible for"
        assert docstring.splitlines()[0].endswith((".", ":", "?")), module
        imports = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert imports[:1] in ([], ["from __future__ import annotations"]), module
        if "cli" not in path.parts:
            names = set(dotted_names(tree))
            assert not names & {"print()", "input()", "exit()", "sys.exit()"}, module
            assert module in readers or not names & {"os.getenv()", "os.environ", "os.environ.get()"}, module


def dotted_names(tree: ast.Module) -> Iterator[str]:
    """Names and names of attributes of modules; those that are called end with `()`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=one)):
                yield f"{one}()"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=one), attr=attribute)):
                yield f"{one}.{attribute}()"
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id=one), attr=two), attr=attribute)):
                yield f"{one}.{two}.{attribute}()"
            case ast.Attribute(value=ast.Name(id=one), attr=attribute):
                yield f"{one}.{attribute}"


def test_one_module_asks_which_system_it_runs_on() -> None:
    asks = re.compile(r"sys\.platform\s*(?:[=!]=|in\b)|\bos\.name\b|\bimport (?:fcntl|msvcrt|termios|winreg)\b")
    assert [name(path) for path in MODULES if asks.search(path.read_text())] == ["nlapi/system.py"]


def test_the_lock_pins_what_a_checkout_needs_and_names_no_place() -> None:
    head, *lines = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8").splitlines()
    assert head.startswith("# Made by 'make lock'")
    pins = {}
    for line in lines:
        pin = re.fullmatch(r"([A-Za-z0-9._-]+)==[0-9][A-Za-z0-9.+!_-]*", line)
        assert pin, f"{line!r} is not a name and a version"
        pins[re.sub(r"[-_.]+", "-", pin[1]).lower()] = line
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    requirements = [*project["project"]["dependencies"], *groups["dev"], *groups["quick"], *groups["sdks"]]
    names = {
        re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", text)[0]).lower()
        for text in requirements
        if isinstance(text, str)
    }
    assert not names - pins.keys(), "run make lock"
