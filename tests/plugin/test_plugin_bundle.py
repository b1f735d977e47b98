"""A plugin that brings nlapi: it is installed where there is none, from the plugin alone, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.plugin.kit import LIBRARY, placed, sh

WHEEL = "nlapi-1.2.3-py3-none-any.whl"

# Stand in for uv: it writes down what it is asked, and its environment's Python prints what it is called with.
UV = """#!/bin/sh
echo "$PWD $*" >>"$LOG"
[ -z "${FAIL:-}" ] || exit 1
if [ "$1" = venv ]; then
  for folder in "$@"; do :; done
  mkdir -p "$folder/bin"
  cp "$(dirname "$0")/interpreter" "$folder/bin/python"
fi
"""
INTERPRETER = """#!/bin/sh
case "$2" in
  -c) exec REAL "$@" ;;
  *) echo "RAN $*" ;;
esac
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, text in (("uv", UV), ("interpreter", INTERPRETER.replace("REAL", sys.executable))):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def plugin(tmp_path: Path, home: Path) -> Path:
    """The plugin of the library with a bundle, built at the command line."""
    (tmp_path / "library.json").write_text(json.dumps(LIBRARY))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in (WHEEL, "other-1-py3-none-any.whl"):
        (wheels / name).write_bytes(name.encode())
    made = build(tmp_path, wheels)
    assert made.code == 0, made.complaint
    return tmp_path / "it's here"


def build(folder: Path, wheels: Path) -> Any:
    return run(
        "plugin", "build", str(folder / "library.json"), "-o", str(folder / "it's here"), "--bundle", str(wheels)
    )


def call(folder: Path, tools: Path, **env: str) -> subprocess.CompletedProcess[str]:
    variables = {"XDG_CACHE_HOME": str(tools / "cache"), "LOG": str(tools / "log"), **env}
    return sh(
        "/bin/sh", folder / "bin" / "nlapi-city-library", "--find", "books", PATH=f"{tools}:/usr/bin:/bin", **variables
    )


def log(tools: Path) -> list[str]:
    return (tools / "log").read_text().splitlines() if (tools / "log").exists() else []


def test_it_is_installed_from_the_plugin_alone_and_once(plugin: Path, tools: Path) -> None:
    done = call(plugin, tools)
    assert done.stdout == f"RAN -I -m nlapi find {plugin / 'api' / 'openapi.json'} books\n", done.stderr
    assert "installing the one of this plugin (nlapi 1.2.3, 0 MB of wheels)" in done.stderr
    venv, install = log(tools)
    # The folder that it is called from may hold settings of an installer, or modules called like those of Python.
    assert all(
        line.startswith(os.path.realpath(tools / "cache" / "nlapi" / "environments")) for line in (venv, install)
    )
    assert "--offline --no-python-downloads" in venv
    assert f"--offline --no-index --find-links {plugin}/runtime/wheels" in install
    assert install.endswith("nlapi[mcp]==1.2.3")
    again = call(plugin, tools)
    assert (again.stdout, again.stderr, len(log(tools))) == (done.stdout, "", 2)


def test_an_installation_that_fails_says_what_to_do_and_leaves_nothing(plugin: Path, tools: Path) -> None:
    done = call(plugin, tools, FAIL="1")
    assert (done.returncode, done.stdout) == (127, "")
    assert "Install it yourself" in done.stderr
    assert list((tools / "cache" / "nlapi" / "environments").iterdir()) == []


def test_the_nlapi_that_is_installed_goes_before(plugin: Path, tools: Path) -> None:
    (tools / "nlapi").write_text("#!/bin/sh\necho installed\n")
    (tools / "nlapi").chmod(0o755)
    done = call(plugin, tools)
    assert (done.stdout, log(tools)) == ("installed\n", [])


def test_without_a_bundle_nothing_is_installed(tmp_path: Path, tools: Path) -> None:
    folder = placed(tmp_path / "library", LIBRARY)
    assert (call(folder, tools).returncode, log(tools)) == (127, [])
    assert not (folder / "runtime").exists()


def test_a_check_compares_the_wheels_and_a_build_without_them_takes_them_away(plugin: Path) -> None:
    assert json.loads(run("plugin", "check", str(plugin), "-o", "json").out) == []
    assert "brings nlapi 1.2.3" in (plugin / "README.md").read_text()
    wheel = plugin / "runtime" / "wheels" / WHEEL
    wheel.write_bytes(b"another")
    issues = json.loads(run("plugin", "check", str(plugin), "-o", "json").out)
    assert (f"runtime/wheels/{WHEEL}", "was changed since it was built") in [
        (issue["where"], issue["message"]) for issue in issues
    ]
    source = plugin.parent / "library.json"
    assert run("plugin", "build", str(source), "-o", str(plugin), "--force").code == 0
    assert not wheel.exists()


@pytest.mark.parametrize("names", [(), ("other-1-py3-none-any.whl",), (WHEEL, "nlapi-2-py3-none-any.whl")])
def test_a_folder_without_one_nlapi_is_refused(tmp_path: Path, home: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "library.json").write_text(json.dumps(LIBRARY))
    (tmp_path / "wheels").mkdir()
    for name in names:
        (tmp_path / "wheels" / name).write_bytes(b"")
    refused = build(tmp_path, tmp_path / "wheels")
    assert (refused.code, "not exactly one wheel of nlapi" in refused.complaint) == (2, True)
