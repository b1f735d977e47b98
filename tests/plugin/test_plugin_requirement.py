"""Where the program comes from: one exact nlapi that is installed where there is none, or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.errors import UsageError
from nlapi.plugin.programs import parse_requirement
from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.plugin.kit import LIBRARY, placed, sh
from tests.tables import table

HASH = "0123456789abcdef" * 4
COMMIT = "0123456789" * 4
VERSION = f"nlapi==1.2.3 --hash=sha256:{HASH}"
REPOSITORY = f"git+https://git.example/nlapi.git@{COMMIT}"
WHEEL = "nlapi-1.2.3-py3-none-any.whl"
URL = f"https://files.example/{WHEEL}#sha256={HASH}"

# Stand in for uv: it writes down what it is asked, and its environment's Python prints what it is called with.
UV = """#!/bin/sh
echo "$*" >>"$LOG"
[ -z "${FAIL:-}" ] || exit 1
if [ "$1" = venv ]; then
  for folder in "$@"; do :; done
  mkdir -p "$folder/bin"
  cp "$(dirname "$0")/interpreter" "$folder/bin/python"
fi
case $* in *requirements.txt*) cat "$(echo "$*" | sed 's/.*-r //')" >>"$LOG" ;; esac
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


def call(folder: Path, tools: Path, **env: str) -> Any:
    variables = {"XDG_CACHE_HOME": str(tools / "cache"), "LOG": str(tools / "log"), **env}
    return sh(
        "/bin/sh", folder / "bin" / "nlapi-city-library", "--find", "books", PATH=f"{tools}:/usr/bin:/bin", **variables
    )


def log(tools: Path) -> list[str]:
    return (tools / "log").read_text().splitlines() if (tools / "log").exists() else []


@table("text", [VERSION, f"{VERSION} --hash=sha256:{'f' * 64}", REPOSITORY, URL, f"../dist/{WHEEL}#sha256={HASH}"])
def test_what_names_exact_bytes_is_taken(text: str) -> None:
    assert str(parse_requirement(text)) == text
    assert str(parse_requirement(f"  {text}\n")) == text


@table(
    ("text", "reason"),
    [
        ("nlapi", "does not say exactly which"),
        ("nlapi[mcp]", "does not say exactly which"),
        ("nlapi>=1.2", "does not say exactly which"),
        ("nlapi==1.*", "does not say exactly which"),
        ("nlapi==1.2.3", "has no hash"),
        ("nlapi==1.2.3 --hash=md5:abc", "does not say exactly which"),
        ("git+https://git.example/nlapi.git", "not a git URL with a commit"),
        ("git+https://git.example/nlapi.git@main", "a branch or a tag can be moved"),
        ("git+https://git.example/nlapi.git@v1.2.3", "a branch or a tag can be moved"),
        (f"git+http://git.example/nlapi.git@{COMMIT}", "not a git URL with a commit"),
        (f"https://files.example/{WHEEL}", "has no hash"),
        (f"http://files.example/{WHEEL}#sha256={HASH}", "not fetched over https"),
        (f"dist/{WHEEL}", "has no hash"),
        ("https://files.example/nlapi-1.2.3.tar.gz", "does not say exactly which"),
        (f"{VERSION}\nevil==1", "is not one line"),
        (f"{VERSION} --index-url https://evil.example", "does not say exactly which"),
    ],
)
def test_what_anybody_may_change_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        parse_requirement(text)
    assert "--hash=sha256:" in (caught.value.hint or "")


def test_a_credential_in_a_url_is_refused_and_not_shown() -> None:
    for text in (
        f"https://me:pw-5b7e@files.example/{WHEEL}#sha256={HASH}",
        f"git+https://me:pw-5b7e@git.example/n@{COMMIT}",
    ):
        with pytest.raises(UsageError) as caught:
            parse_requirement(text)
        assert "pw-5b7e" not in str(caught.value)


@given(st.text(max_size=80))
def test_no_text_passes_that_the_parser_would_not_write(text: str) -> None:
    """What is taken means the same to the next build, and holds nothing that a shell would act on."""
    try:
        requirement = parse_requirement(text)
    except UsageError:
        return
    assert parse_requirement(str(requirement)) == requirement


def test_without_a_requirement_nothing_is_fetched(tmp_path: Path, tools: Path) -> None:
    folder = placed(tmp_path / "library", LIBRARY)
    done = call(folder, tools)
    assert (done.returncode, log(tools)) == (127, [])
    assert not (folder / "runtime").exists()


def test_a_version_is_installed_by_its_hash_once(tmp_path: Path, tools: Path) -> None:
    folder = placed(tmp_path / "it's here", LIBRARY, requirement=VERSION)
    done = call(folder, tools)
    assert done.stdout == f"RAN -I -m nlapi find {folder / 'api' / 'openapi.json'} books\n", done.stderr
    assert "installing the one that this plugin names" in done.stderr
    venv, alone, pinned, rest = log(tools)
    assert venv.startswith("venv --quiet --python >=3.11 ")
    assert "--no-deps --require-hashes -r" in alone
    assert pinned == VERSION
    assert rest.endswith("nlapi[mcp]==1.2.3")
    again = call(folder, tools)
    assert (again.stdout, again.stderr, len(log(tools))) == (done.stdout, "", 4)


@pytest.mark.parametrize(("text", "spec"), [(REPOSITORY, f"nlapi[mcp] @ {REPOSITORY}"), (URL, f"nlapi[mcp] @ {URL}")])
def test_a_commit_and_a_wheel_at_a_url_are_installed(tmp_path: Path, tools: Path, text: str, spec: str) -> None:
    done = call(placed(tmp_path / "library", LIBRARY, requirement=text), tools)
    assert done.stdout.startswith("RAN -I -m nlapi find ")
    assert log(tools)[1].endswith(spec)


def test_a_wheel_beside_the_plugin_is_compared_first(tmp_path: Path, tools: Path) -> None:
    wheel = tmp_path / "my wheels" / WHEEL
    wheel.parent.mkdir()
    wheel.write_bytes(b"as it was")
    pinned = f"../my wheels/{WHEEL}#sha256={hashlib.sha256(b'as it was').hexdigest()}"
    folder = placed(tmp_path / "library", LIBRARY, requirement=pinned)
    wheel.write_bytes(b"another")
    refused = call(folder, tools)
    assert refused.returncode == 127
    assert "is not the file that the plugin was built with" in refused.stderr
    assert len(log(tools)) == 1
    wheel.write_bytes(b"as it was")
    assert call(folder, tools).stdout.startswith("RAN ")
    assert log(tools)[-1].endswith(f"{WHEEL}[mcp]")


def test_an_installation_that_fails_says_what_to_do_and_leaves_nothing(tmp_path: Path, tools: Path) -> None:
    done = call(placed(tmp_path / "library", LIBRARY, requirement=VERSION), tools, FAIL="1")
    assert (done.returncode, done.stdout) == (127, "")
    assert "Install it yourself" in done.stderr
    assert list((tools / "cache" / "nlapi" / "environments").iterdir()) == []


def test_the_nlapi_that_is_installed_goes_before(tmp_path: Path, tools: Path) -> None:
    (tools / "nlapi").write_text("#!/bin/sh\necho installed\n")
    (tools / "nlapi").chmod(0o755)
    done = call(placed(tmp_path / "library", LIBRARY, requirement=VERSION), tools)
    assert (done.stdout, log(tools)) == ("installed\n", [])


def test_the_folder_that_it_is_called_from_changes_nothing(tmp_path: Path, tools: Path) -> None:
    """A checkout may hold settings of an installer, or a module called like one of Python's own."""
    folder = placed(tmp_path / "library", LIBRARY, requirement=VERSION)
    (tools / "uv").write_text(UV.replace('echo "$*"', 'echo "$PWD"', 1))
    call(folder, tools)
    assert set(log(tools)[:2]) == {os.path.realpath(tools / "cache" / "nlapi" / "environments")}


def test_a_build_pins_a_wheel_by_its_content(tmp_path: Path, home: Path) -> None:
    wheel = tmp_path / "dist" / WHEEL
    wheel.parent.mkdir()
    wheel.write_bytes(b"as it was")
    (tmp_path / "library.json").write_text(json.dumps(LIBRARY))
    folder = tmp_path / "library"
    built = run("plugin", "build", str(tmp_path / "library.json"), "-o", str(folder), "--requirement", str(wheel))
    assert built.code == 0, built.complaint
    stored = json.loads((folder / "nlapi-plugin.json").read_text())["options"]["requirement"]
    assert stored == f"../dist/{WHEEL}#sha256={hashlib.sha256(b'as it was').hexdigest()}"
    assert run("plugin", "check", str(folder)).code == 0
    wheel.write_bytes(b"another")
    checked = run("plugin", "check", str(folder))
    assert (checked.code, "not the wheel that the plugin was built with" in checked.out) == (1, True)
    wheel.unlink()
    gone = run("plugin", "check", str(folder))
    assert (gone.code, "the wheel is not there" in gone.out) == (0, True)


def test_a_wheel_in_the_plugin_is_no_foreign_file(tmp_path: Path, home: Path) -> None:
    (tmp_path / "library.json").write_text(json.dumps(LIBRARY))
    folder = tmp_path / "library"
    wheel = folder / "wheels" / WHEEL
    build = ("plugin", "build", str(tmp_path / "library.json"), "-o", str(folder))
    assert run(*build).code == 0
    wheel.parent.mkdir()
    wheel.write_bytes(b"as it was")
    assert run(*build, "--requirement", str(wheel)).code == 0
    assert json.loads(run("plugin", "check", str(folder)).out) == []


def test_check_tells_of_an_unpinned_requirement_and_of_an_edited_installer(tmp_path: Path, home: Path) -> None:
    folder = placed(tmp_path / "library", LIBRARY, requirement=VERSION)
    manifest = folder / "nlapi-plugin.json"
    right = manifest.read_text()
    manifest.write_text(right.replace(VERSION, "nlapi"))
    issues = json.loads(run("plugin", "check", str(folder)).out)
    assert ("options.requirement", "requirement") in [(issue["where"], issue["rule"]) for issue in issues]
    manifest.write_text(right)
    script = folder / "runtime" / "environment.sh"
    script.write_text(script.read_text().replace(HASH, "f" * 64))
    issues = json.loads(run("plugin", "check", str(folder)).out)
    assert ("runtime/environment.sh", "drift") in [(issue["where"], issue["rule"]) for issue in issues]


def test_a_build_refuses_what_is_not_pinned(tmp_path: Path, home: Path) -> None:
    (tmp_path / "library.json").write_text(json.dumps(LIBRARY))
    refused = run(
        "plugin", "build", str(tmp_path / "library.json"), "-o", str(tmp_path / "p"), "--requirement", "nlapi"
    )
    assert refused.code == 2
    assert "exact version with its hash" in refused.complaint
    assert not (tmp_path / "p").exists()
