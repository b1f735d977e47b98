"""Files that several processes write: nothing is lost, and nothing is half there."""

from __future__ import annotations

import os
import pickle
import random
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nlapi
from nlapi import registry
from nlapi.local_files import write_file, write_new_file, write_output
from nlapi.plugin.build import Options, build
from nlapi.plugin.folder import write_folder

ROOT = Path(__file__).parent.parent
ADD = """
import sys
from nlapi import registry
name, = sys.argv[1:]
entry = registry.Registration(source=f"/{name}.yaml")
registry.change_registrations(lambda entries: entries.update({name: entry}))
"""
REMOVE = """
import sys
from nlapi import registry
name, = sys.argv[1:]
registry.change_registrations(lambda entries: entries.pop(name))
"""
ADD_MANY = """
import itertools
from nlapi import registry
for number in itertools.count():
    entry = registry.Registration(source="/x.yaml", known={"filler": "x" * 20_000})
    registry.change_registrations(lambda entries: entries.update({f"n{number % 20}": entry}))
    print(number, flush=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NLAPI_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


def start(code: str, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, *words], env=environment, stdout=subprocess.PIPE, text=True)


def test_of_twenty_processes_that_register_at_once_all_are_kept() -> None:
    processes = [start(ADD, f"api{number}") for number in range(20)]
    assert [process.wait() for process in processes] == [0] * 20
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    assert set(registry.read_registrations()) == {f"api{number}" for number in range(20)}


def test_what_processes_add_and_remove_at_once_is_added_and_removed() -> None:
    entries = {f"old{number}": registry.Registration(source="/x.yaml") for number in range(4)}
    registry.change_registrations(lambda stored: stored.update(entries))
    processes = [
        start(code, f"{word}{number}") for number in range(4) for code, word in ((ADD, "new"), (REMOVE, "old"))
    ]
    assert [process.wait() for process in processes] == [0] * 8
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    assert set(registry.read_registrations()) == {f"new{number}" for number in range(4)}


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_leaves_the_old_file_or_the_new_one(seed: int, folder: Path) -> None:
    with start(ADD_MANY) as process:
        assert process.stdout is not None
        for _ in range(20 + random.Random(seed).randrange(5)):
            process.stdout.readline()
        process.kill()
    entries = registry.read_registrations()
    assert len(entries) == 20
    assert all(entry.known == {"filler": "x" * 20_000} for entry in entries.values())
    # The lock went with the process.
    registry.change_registrations(lambda entries: entries.update(after=registry.Registration(source="/y.yaml")))
    assert "after" in registry.read_registrations()
    assert stat.S_IMODE((folder / "apis.toml").stat().st_mode) == 0o600


def test_a_change_that_fails_changes_nothing(folder: Path) -> None:
    registry.change_registrations(lambda entries: entries.update(a=registry.Registration(source="/a.yaml")))
    before = (folder / "apis.toml").read_bytes()

    def fail(entries: dict[str, registry.Registration]) -> None:
        entries.clear()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        registry.change_registrations(fail)
    assert (folder / "apis.toml").read_bytes() == before
    assert tomllib.loads(before.decode())["apis"]["a"]["source"] == "/a.yaml"


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target.yaml", tmp_path / "link.yaml"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_file(link, "new")
    assert (link.is_symlink(), target.read_text(), stat.S_IMODE(target.stat().st_mode)) == (True, "new", 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "target.yaml"]


WRITE = """
import pickle, sys
from pathlib import Path
from nlapi.plugin.folder import write_folder
write_folder(Path(sys.argv[1]), pickle.loads(Path(sys.argv[2]).read_bytes()))
"""


def test_builds_of_one_plugin_at_once_leave_one_of_them_whole(tmp_path: Path) -> None:
    spec = nlapi.load("ads")
    for size in (3, 5):
        built = build(spec, spec.operations[:size], Options(name="ads", source="ads"))
        (tmp_path / str(size)).write_bytes(pickle.dumps(built.files))
    processes = [start(WRITE, str(tmp_path / "plugin"), str(tmp_path / str(size))) for size in (3, 5, 3, 5)]
    assert [process.wait() for process in processes] == [0] * 4
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    # The next build takes the folder for its own, which it does only where no file is lost or of two builds.
    write_folder(tmp_path / "plugin", pickle.loads((tmp_path / "3").read_bytes()))
    assert not (tmp_path / "plugin" / ".nlapi-plugin-build").exists()


def test_an_output_is_whole_has_the_mode_of_the_umask_and_may_be_a_device(tmp_path: Path) -> None:
    file = tmp_path / "out.yaml"
    old = os.umask(0o027)
    try:
        write_output(file, "one")
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    file.chmod(0o604)
    write_output(file, "two")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("two", 0o604)
    write_output(Path(os.devnull), "three")
    with pytest.raises(FileNotFoundError):
        write_output(tmp_path / "missing" / "out.yaml", "four")


def test_a_new_file_replaces_none_and_follows_no_link(tmp_path: Path) -> None:
    write_new_file(tmp_path / "token", "t")
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("token", "link"):
        with pytest.raises(FileExistsError):
            write_new_file(tmp_path / name, "u")
    assert (tmp_path / "token").read_text() == "t" and {entry.name for entry in tmp_path.iterdir()} == {"link", "token"}
