"""A plugin that brings nlapi: it is installed where there is none, from the plugin alone, once."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.plugin.kit import LIBRARY, placed, sh

NLAPI, PIP = "nlapi-1.2.3-py3-none-any.whl", "pip-9-py3-none-any.whl"
MAIN = "import sys; print('RAN', *sys.argv[1:])"


def pack(folder: Path, name: str, files: dict[str, str]) -> None:
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """The wheels of an nlapi that prints what it is called with, and of what tells which wheels fit."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    pack(folder, NLAPI, {"nlapi/__init__.py": "", "nlapi/__main__.py": MAIN})
    found = importlib.util.find_spec("packaging")
    assert found is not None
    assert found.origin is not None
    modules = {path.name: path.read_text() for path in Path(found.origin).parent.glob("*.py")}
    vendored = {f"pip/_vendor/packaging/{name}": text for name, text in modules.items()}
    pack(folder, PIP, {"pip/__init__.py": "", "pip/_vendor/__init__.py": "", **vendored})
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with the one Python of a machine."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        (folder / name).symlink_to(os.path.realpath(sys.executable))
    return folder


@pytest.fixture
def plugin(tmp_path: Path, home: Path, wheels: Path) -> Path:
    """The plugin of the library with a bundle, built at the command line."""
    (tmp_path / "library.json").write_text(json.dumps(LIBRARY))
    made = build(tmp_path, wheels)
    assert made.code == 0, made.complaint
    return tmp_path / "it's here"


def build(folder: Path, wheels: Path) -> Any:
    return run(
        "plugin", "build", str(folder / "library.json"), "-o", str(folder / "it's here"), "--bundle", str(wheels)
    )


def call(folder: Path, tools: Path) -> subprocess.CompletedProcess[str]:
    command = folder / "bin" / "nlapi-city-library"
    return sh("/bin/sh", command, "--find", "books", PATH=f"{tools}:/usr/bin:/bin", XDG_CACHE_HOME=str(tools / "cache"))


def environments(tools: Path) -> list[Path]:
    folder = tools / "cache" / "nlapi" / "environments"
    return list(folder.iterdir()) if folder.is_dir() else []


def test_it_is_installed_from_the_plugin_alone_and_once(plugin: Path, tools: Path) -> None:
    done = call(plugin, tools)
    assert done.stdout == f"RAN find {plugin / 'api' / 'openapi.json'} books\n", done.stderr
    assert "installing the one of this plugin (nlapi 1.2.3, 0 MB of wheels)" in done.stderr
    again = call(plugin, tools)
    assert (again.stdout, again.stderr, len(environments(tools))) == (done.stdout, "", 1)


def test_what_fits_no_python_here_says_so_and_leaves_nothing(tmp_path: Path, wheels: Path, tools: Path) -> None:
    pack(wheels, "other-1-cp39-cp39-win32.whl", {})
    (tmp_path / "library.json").write_text(json.dumps(LIBRARY))
    assert build(tmp_path, wheels).code == 0
    done = call(tmp_path / "it's here", tools)
    assert (done.returncode, done.stdout) == (127, "")
    assert "the plugin has no other for cpython" in done.stderr
    assert "Install it yourself" in done.stderr
    assert environments(tools) == []


def test_a_python_that_does_not_fit_is_passed_over(plugin: Path, tools: Path) -> None:
    (tools / "python3.14").unlink()
    (tools / "python3.14").write_text('#!/bin/sh\ncase "$*" in *venv*) exit 1 ;; esac\nexec python3.13 "$@"\n')
    (tools / "python3.14").chmod(0o755)
    assert call(plugin, tools).stdout.startswith("RAN find")
    assert len(environments(tools)) == 1


def test_the_nlapi_that_is_installed_goes_before(plugin: Path, tools: Path) -> None:
    (tools / "nlapi").write_text("#!/bin/sh\necho installed\n")
    (tools / "nlapi").chmod(0o755)
    done = call(plugin, tools)
    assert (done.stdout, environments(tools)) == ("installed\n", [])


def test_without_a_bundle_nothing_is_installed(tmp_path: Path, tools: Path) -> None:
    folder = placed(tmp_path / "library", LIBRARY)
    assert (call(folder, tools).returncode, environments(tools)) == (127, [])
    assert not (folder / "runtime").exists()


def test_a_check_compares_the_wheels_and_a_build_without_them_takes_them_away(plugin: Path) -> None:
    assert json.loads(run("plugin", "check", str(plugin), "-o", "json").out) == []
    assert "brings nlapi 1.2.3" in (plugin / "README.md").read_text()
    wheel = plugin / "runtime" / "wheels" / NLAPI
    wheel.write_bytes(b"another")
    issues = json.loads(run("plugin", "check", str(plugin), "-o", "json").out)
    assert (f"runtime/wheels/{NLAPI}", "was changed since it was built") in [
        (issue["where"], issue["message"]) for issue in issues
    ]
    source = plugin.parent / "library.json"
    assert run("plugin", "build", str(source), "-o", str(plugin), "--force").code == 0
    assert not wheel.exists()


@pytest.mark.parametrize("names", [(), (PIP,), (NLAPI,), (PIP, NLAPI, "nlapi-2-py3-none-any.whl")])
def test_a_folder_without_one_nlapi_is_refused(tmp_path: Path, home: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "library.json").write_text(json.dumps(LIBRARY))
    (tmp_path / "some").mkdir()
    for name in names:
        (tmp_path / "some" / name).write_bytes(b"")
    refused = build(tmp_path, tmp_path / "some")
    assert (refused.code, "has not one wheel of nlapi" in refused.complaint) == (2, True)
