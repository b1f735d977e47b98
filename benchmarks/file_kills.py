"""Kills writers at random moments, twenty at once on each file: `python -m benchmarks.file_kills [--kills 200]`.

For each file that nlapi writes, twenty processes write it over and over, each saying what it has written; each is
killed with SIGKILL at a random moment. Then the file is read as nlapi reads it: it must be whole, hold all that was
said to be
written, and be writable again. Exits with 1 otherwise. The gateway's database has `benchmarks.gateway_kills`, and
workflows have `benchmarks.workflow_kills`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import nlapi
from nlapi import registry
from nlapi.agent.records.log import Log
from nlapi.agent.records.transcripts import read_records
from nlapi.gateway.routing_keys.key_ring import write_keys
from nlapi.gateway.routing_keys.key_set import decode_set, generate_set
from nlapi.local_files import write_file, write_new_file, write_output
from nlapi.openapi.cache import Cache
from nlapi.plugin.build import Options
from nlapi.plugin.build import build as build_plugin
from nlapi.plugin.folder import write_folder
from nlapi.registry import Registration
from nlapi.tools.versions.pins import read_pin, write_pin

PROCESSES = 20
FILLER = "x" * 20_000
# Seconds within which a process is killed; a write takes milliseconds, twenty at once on two cores more.
MAX_DELAY = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A file: `write` writes once, as the process `name` for the time `number`; `check` reads and returns the faults.

    `check` gets the last number that each process said it had written.
    """

    write: Callable[[Path, str, int], None]
    check: Callable[[Path, dict[str, int]], list[str]]


def register(folder: Path, name: str, number: int) -> None:
    entry = Registration(source=f"/{number}.yaml", known={"filler": FILLER})
    registry.change_registrations(lambda entries: entries.update({name: entry}))


def check_registrations(folder: Path, written: dict[str, int]) -> list[str]:
    entries = registry.read_registrations()
    lost = [name for name, number in written.items() if name not in entries or _number(entries[name]) < number]
    damaged = [name for name, entry in entries.items() if entry.known != {"filler": FILLER}]
    return [*(f"lost {name}" for name in lost), *(f"damaged {name}" for name in damaged)]


def _number(entry: Registration) -> int:
    return int(Path(entry.source).stem)


SPEC = nlapi.load("ads")
OTHER = nlapi.load("gateway")


def pin(folder: Path, name: str, number: int) -> None:
    # What ships with nlapi has no pin, so a copy of it is read.
    write_pin("shop", _copies(folder)[number % 2])


_SPECS: dict[Path, tuple[nlapi.Spec, nlapi.Spec]] = {}


def _copies(folder: Path) -> tuple[nlapi.Spec, nlapi.Spec]:
    if folder not in _SPECS:
        files = [folder / f"{name}.json" for name in ("ads", "gateway")]
        for file, spec in zip(files, (SPEC, OTHER), strict=True):
            file.write_text(json.dumps(spec.document, default=str))
        _SPECS[folder] = nlapi.load(files[0]), nlapi.load(files[1])
    return _SPECS[folder]


def check_pin(folder: Path, written: dict[str, int]) -> list[str]:
    if not written:
        return []
    return [] if read_pin("shop") is not None else ["no pin"]


def overlay(folder: Path, name: str, number: int) -> None:
    write_file(folder / "effects" / "shop.overlay.yaml", f"{number}\n{FILLER * 5}\nend\n")


def document(folder: Path, name: str, number: int) -> None:
    write_output(folder / "document.yaml", f"{number}\n{FILLER * 5}\nend\n")


def check_text(file: str) -> Callable[[Path, dict[str, int]], list[str]]:
    def check(folder: Path, written: dict[str, int]) -> list[str]:
        path = folder / file
        if not path.exists():
            return ["not there"] if written else []
        return [] if path.read_text().endswith(f"\n{FILLER * 5}\nend\n") else ["damaged"]

    return check


def token(folder: Path, name: str, number: int) -> None:
    write_new_file(folder / f"token-{name}-{number}", "t" * 60)


def check_tokens(folder: Path, written: dict[str, int]) -> list[str]:
    lost = [f"lost {name} {number}" for name, number in written.items() if not _exists(folder, name, number)]
    damaged = [f"damaged {file.name}" for file in folder.glob("token-*") if file.read_text() != "t" * 60]
    return [*lost, *damaged]


def _exists(folder: Path, name: str, number: int) -> bool:
    return all((folder / f"token-{name}-{entry}").exists() for entry in range(number + 1))


_LOGS: dict[str, Log] = {}


def transcript(folder: Path, name: str, number: int) -> None:
    """All processes write into one transcript, which nlapi itself does not do."""
    log = _LOGS.setdefault(name, Log.open(folder / "log.jsonl"))
    log.write_question(f"{name} {number}", filler=FILLER)


def check_transcript(folder: Path, written: dict[str, int]) -> list[str]:
    path = folder / "log.jsonl"
    questions = {record.get("question") for record in read_records(path)} if path.exists() else set()
    expected = {f"{name} {number}" for name, last in written.items() for number in range(last + 1)}
    return [f"lost {question}" for question in sorted(expected - questions)]


def cache(folder: Path, name: str, number: int) -> None:
    Cache(folder=folder / "cache").store(f"k{number % 3}", FILLER.encode() * 5)


def check_cache(folder: Path, written: dict[str, int]) -> list[str]:
    entries = [Cache(folder=folder / "cache").load(f"k{number}") for number in range(3)]
    wrong = [entry for entry in entries if entry not in (None, FILLER.encode() * 5)]
    return ["damaged"] if wrong or (any(last >= 2 for last in written.values()) and None in entries) else []


KEYS = generate_set(0.0)


def routing_keys(folder: Path, name: str, number: int) -> None:
    write_keys(folder / "keys.json", KEYS, replaces=True)


def check_keys(folder: Path, written: dict[str, int]) -> list[str]:
    path = folder / "keys.json"
    if not path.exists():
        return ["not there"] if written else []
    return [] if len(decode_set(path.read_bytes(), str(path)).keys) == 1 else ["damaged"]


PLUGINS = [
    dict(build_plugin(SPEC, SPEC.operations[:size], Options(name="ads", source="ads")).files) for size in (12, 20)
]


def plugin(folder: Path, name: str, number: int) -> None:
    write_folder(folder / "plugin", PLUGINS[number % 2])


def check_plugin(folder: Path, written: dict[str, int]) -> list[str]:
    target = folder / "plugin"
    target.mkdir(exist_ok=True)
    (target / "mine.md").write_text("my notes")
    write_folder(target, PLUGINS[0])  # a build after the kill mends what it left, without --force
    wrong = [path for path, content in PLUGINS[0].items() if (target / path).read_bytes() != content]
    extra = [path for path in PLUGINS[1].keys() - PLUGINS[0].keys() if (target / path).exists()]
    return [*wrong, *(f"left {path}" for path in extra), *([] if (target / "mine.md").exists() else ["lost mine.md"])]


WRITERS = {
    "registrations": Writer(write=register, check=check_registrations),
    "pin": Writer(write=pin, check=check_pin),
    "overlay of effects": Writer(write=overlay, check=check_text("effects/shop.overlay.yaml")),
    "document": Writer(write=document, check=check_text("document.yaml")),
    "token": Writer(write=token, check=check_tokens),
    "transcript": Writer(write=transcript, check=check_transcript),
    "cache": Writer(write=cache, check=check_cache),
    "routing keys": Writer(write=routing_keys, check=check_keys),
    "plugin": Writer(write=plugin, check=check_plugin),
}


def loop(writer: Writer, folder: Path, name: str, pipe: int) -> None:
    """Write for ever, and say so after each time."""
    for number in count():
        writer.write(folder, name, number)
        os.write(pipe, f"{name} {number}\n".encode())


def kill_round(writer: Writer, folder: Path, chance: random.Random, start: int) -> dict[str, int]:
    """Start the processes, kill each at its moment, and return the last number that each has written."""
    context = multiprocessing.get_context("fork")
    reading, writing = os.pipe()
    names = [f"p{start + index}" for index in range(PROCESSES)]
    processes = [context.Process(target=loop, args=(writer, folder, name, writing)) for name in names]
    for process in processes:
        process.start()
    os.close(writing)
    began = time.monotonic()
    moments = [(chance.uniform(0.02, MAX_DELAY), process) for process in processes]
    said = b""
    for moment, process in sorted(moments, key=lambda entry: entry[0]):
        while (left := began + moment - time.monotonic()) > 0:
            if select.select([reading], [], [], left)[0]:
                said += os.read(reading, 65_536)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        process.join()
    while piece := os.read(reading, 65_536):
        said += piece
    os.close(reading)
    faulty = [process.exitcode for process in processes if process.exitcode != -signal.SIGKILL]
    if faulty:
        raise RuntimeError(f"{len(faulty)} processes ended by themselves: see above")
    written: dict[str, int] = {}
    for line in said.decode().splitlines():
        name, _, number = line.partition(" ")
        written[name] = max(int(number), written.get(name, -1))
    return written


def kills_of(label: str, writer: Writer, kills: int, seed: int) -> tuple[int, list[str]]:
    """Return the writes that were said, and the faults that the kills left."""
    chance, faults, writes = random.Random(f"{label} {seed}"), list[str](), 0
    folder = Path(tempfile.mkdtemp(prefix="nlapi-kills-"))
    os.environ["NLAPI_CONFIG_DIR"] = str(folder / "config")
    _SPECS.clear()
    try:
        if label == "pin":
            _copies(folder)
        for start in range(0, kills, PROCESSES):
            try:
                written = kill_round(writer, folder, chance, start)
                faults += writer.check(folder, written)
                writer.write(folder, "after", 0)
                writes += sum(number + 1 for number in written.values())
            except Exception as error:
                faults.append(f"{type(error).__name__}: {error}")
            # Tokens and names are new in each round.
            for token_file in folder.glob("token-*"):
                token_file.unlink()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return writes, faults


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.file_kills")
    parser.add_argument("--kills", type=int, default=200, help="for each file; 200 if not given")
    parser.add_argument("--only", default="", metavar="WORD", help="the files with this in their name")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    bad = 0
    for label, writer in WRITERS.items():
        if options.only not in label:
            continue
        writes, faults = kills_of(label, writer, options.kills, options.seed)
        bad += bool(faults)
        head = f"{'BAD ' if faults else 'ok  '} {label:<20} {options.kills} kills, {writes:,} writes"
        print(f"{head}, {len(faults)} faults", flush=True)
        for fault in faults[:5]:
            print(f"     {fault}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
