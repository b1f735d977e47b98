"""The store of versions' content: whole or absent, once for equal content, never a damaged one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.errors import DescriptionError, NlapiError
from nlapi.gateway.versions.artifacts import ArtifactError, ArtifactStore
from nlapi.gateway.versions.content_digest import FolderLimits, hash_folder
from tests.tables import table

ROOT = Path(__file__).parents[2]
FILES = {"model.toml": b"", "stages.py": b"def predict(value):\n    return value\n", "data/weights.json": b"[1, 2]"}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def test_a_folder_is_stored_by_its_content(tmp_path: Path, store: ArtifactStore) -> None:
    source = write(tmp_path / "v1", FILES)
    digest = store.add(source)
    assert content(store.verify(digest)) == FILES
    assert digest == hash_folder(source) == f"sha256:{store.verify(digest).name}"


def test_equal_content_is_stored_once(tmp_path: Path, store: ArtifactStore) -> None:
    first = store.add(write(tmp_path / "v1", FILES))
    second = store.add(write(tmp_path / "elsewhere" / "v2", FILES))
    assert first == second
    assert [path.name for path in store.folder.iterdir()] == [first.removeprefix("sha256:")]


@table(
    "other",
    [
        {**FILES, "stages.py": b"def predict(value):\n    return 1\n"},
        {**FILES, "more.py": b""},
        {name: data for name, data in FILES.items() if name != "model.toml"},
        {"model.toml": b"", "stages.py": FILES["stages.py"], "data": b"[1, 2]"},
        {**{name: data for name, data in FILES.items() if "weights" not in name}, "data/weight.json": b"[1, 2]"},
    ],
    ids=["bytes", "another file", "a file less", "another tree", "another name"],
)
def test_other_content_has_another_digest(tmp_path: Path, other: dict[str, bytes]) -> None:
    assert hash_folder(write(tmp_path / "v1", FILES)) != hash_folder(write(tmp_path / "v2", other))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ab", "a/b", "x.py"]), st.binary(max_size=3)), max_size=4))
def test_a_digest_depends_on_nothing_but_names_and_bytes(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, bytes]]
) -> None:
    tree = {name: data for name, data in files if not any(other.startswith(f"{name}/") for other, _ in files)}
    folders = [tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")]
    write(folders[0], tree)
    write(folders[1], dict(reversed(tree.items())))
    assert hash_folder(folders[0]) == hash_folder(folders[1])


def test_caches_and_hidden_files_are_left_out(tmp_path: Path, store: ArtifactStore) -> None:
    digest = store.add(write(tmp_path / "v1", FILES))
    hidden = {
        ".git/config": b"x",
        ".env": b"SECRET=1",
        "__pycache__/stages.cpython-311.pyc": b"x",
        "data/.DS_Store": b"",
    }
    assert store.add(write(tmp_path / "v2", {**FILES, **hidden})) == digest
    assert content(store.verify(digest)) == FILES


@pytest.mark.parametrize("target", [".", "..", "/etc/passwd", "stages.py", "missing"])
def test_links_are_refused_and_never_followed(tmp_path: Path, store: ArtifactStore, target: str) -> None:
    source = write(tmp_path / "v1", FILES)
    (source / "data" / "again").symlink_to(target)
    with pytest.raises(DescriptionError, match="data/again is a link"):
        store.add(source)
    assert list(store.folder.iterdir()) == []


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, store: ArtifactStore) -> None:
    source = write(tmp_path / "v1", FILES)
    os.mkfifo(source / "pipe")
    with pytest.raises(DescriptionError, match="pipe is neither a file nor a folder"):
        store.add(source)


def test_limits_are_on_the_number_and_on_all_bytes(tmp_path: Path) -> None:
    source = write(tmp_path / "v1", FILES)
    with pytest.raises(DescriptionError, match="more than 2 files"):
        ArtifactStore(tmp_path / "few", limits=FolderLimits(files=2)).add(source)
    size = sum(map(len, FILES.values()))
    with pytest.raises(DescriptionError, match=f"larger than {size - 1} bytes"):
        ArtifactStore(tmp_path / "small", limits=FolderLimits(total_bytes=size - 1)).add(source)
    assert ArtifactStore(tmp_path / "just", limits=FolderLimits(files=3, total_bytes=size)).add(source)


def test_a_huge_file_is_refused_before_it_is_copied_whole(tmp_path: Path) -> None:
    source = write(tmp_path / "v1", FILES)
    with (source / "weights.bin").open("wb") as file:
        file.truncate(2**42)  # a file with a hole: four terabytes that take no space
    store = ArtifactStore(tmp_path / "store", limits=FolderLimits(total_bytes=3 * 2**20))
    with pytest.raises(DescriptionError, match=r"larger than 3 MiB, up to weights\.bin"):
        store.add(source)
    assert list(store.folder.iterdir()) == []


def damage_bytes(folder: Path) -> None:
    (folder / "stages.py").chmod(0o600)
    (folder / "stages.py").write_bytes(b"def predict(value):\n    return 'evil'\n")


def remove_file(folder: Path) -> None:
    (folder / "data" / "weights.json").unlink()


def add_file(folder: Path) -> None:
    (folder / "json.py").write_bytes(b"")


def add_hidden(folder: Path) -> None:
    (folder / ".stages.py").write_bytes(b"")


def swap_for_link(folder: Path) -> None:
    (folder / "stages.py").rename(folder.parent / "stages")
    (folder / "stages.py").symlink_to(folder.parent / "stages")


@pytest.mark.parametrize("damage", [damage_bytes, remove_file, add_file, add_hidden, swap_for_link])
def test_a_damaged_artifact_is_never_given_out_and_can_be_stored_again(
    tmp_path: Path, store: ArtifactStore, damage: object
) -> None:
    source = write(tmp_path / "v1", FILES)
    digest = store.add(source)
    for folder in (store.verify(digest), store.verify(digest) / "data"):
        folder.chmod(0o700)
    assert callable(damage)
    damage(store.verify(digest))
    with pytest.raises(ArtifactError, match="is damaged"):
        store.verify(digest)
    assert store.add(source) == digest
    assert content(store.verify(digest)) == FILES


def test_planted_bytecode_is_never_run(tmp_path: Path, store: ArtifactStore) -> None:
    digest = store.add(write(tmp_path / "v1", FILES))
    folder = store.verify(digest)
    folder.chmod(0o700)
    write(folder, {"__pycache__/stages.cpython-311.pyc": b"x"})
    assert not (store.verify(digest) / "__pycache__").exists()


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc", "sha256:" + "a" * 64, "md5:" + "a" * 64])
def test_what_is_no_stored_digest_is_missing(store: ArtifactStore, digest: str) -> None:
    with pytest.raises(ArtifactError, match="is missing"):
        store.verify(digest)


def test_pruning_deletes_what_is_not_used(tmp_path: Path, store: ArtifactStore) -> None:
    digests = [store.add(write(tmp_path / str(number), {**FILES, "n": b"%d" % number})) for number in range(3)]
    assert store.prune(digests[1:]) == {digests[0]}
    assert store.digests() == set(digests[1:])
    assert {path.name for path in store.folder.iterdir()} == {digest.removeprefix("sha256:") for digest in digests[1:]}
    assert content(store.verify(digests[2]))["n"] == b"2"


def test_a_temporary_store_goes_with_its_end() -> None:
    store = ArtifactStore.beside(":memory:")
    assert store.folder.is_dir()
    store.close()
    assert not store.folder.exists()


WRITER = """
import sys
from pathlib import Path
from random import Random
from nlapi.gateway.versions.artifacts import ArtifactStore

store, source, random = ArtifactStore(Path(sys.argv[1])), Path(sys.argv[2]), Random(sys.argv[3])
for count in range(10**6):
    (source / "n").write_text(str(random.random()))
    print(store.add(source), flush=True)
    if count % 3 == 2:
        kept = sorted(store.digests())[::2]
        print("prune", *kept, flush=True)
        store.prune(kept)
        print("pruned", flush=True)
"""


@table("seed", range(4))
def test_a_kill_at_any_moment_leaves_whole_artifacts(tmp_path: Path, seed: int) -> None:
    write(tmp_path / "v1", FILES)
    random = Random(seed)
    for turn in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "store"), str(tmp_path / "v1"), f"{seed} {turn}"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(random.randint(1, 40))]
            process.send_signal(signal.SIGKILL)
            lines += [line for line in process.stdout if line.endswith("\n")]
        store = ArtifactStore(tmp_path / "store")
        store.sweep()
        promised: set[str] = set()
        for line in lines:
            words = line.split()
            if words[0] == "prune":
                promised &= set(words[1:])
            elif words[0] != "pruned":
                promised.add(words[0])
        assert promised <= store.digests()
        for digest in store.digests():
            store.verify(digest)
        assert {path.name for path in store.folder.iterdir()} == {
            item.removeprefix("sha256:") for item in store.digests()
        }


def test_a_folder_is_for_one_gateway_at_a_time(tmp_path: Path) -> None:
    first, second = ArtifactStore(tmp_path / "artifacts"), ArtifactStore(tmp_path / "artifacts")
    first.claim()
    with pytest.raises(NlapiError, match="another gateway keeps versions"):
        second.claim()
    first.close()
    second.claim()
    second.close()
