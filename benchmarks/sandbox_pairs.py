"""Whether what the sandbox answers leads on: `python -m benchmarks.sandbox_pairs --root DIR [--limit N]`.

DIR has one folder for each API with an `openapi.json` in it. Each API is played in this process, and counted are

- pairs: an operation that lists and one that reads an item, by nlapi.resources; every listed item has to open,
- creates: the answer has the id of the new item, which can be read, is listed, can be changed and removed,
- references: ids of other items in those answers, which have to open,
- requests: each operation with arguments made from its schemas, which `nlapi.build` accepts; none may fail.

`--show` prints every failure, `--json FILE` writes them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import nlapi
from benchmarks.roundtrip import made
from nlapi.client.auth import alternatives, authorize
from nlapi.client.build import build
from nlapi.client.message import Request
from nlapi.english.words import name_key
from nlapi.errors import NlapiError
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec
from nlapi.resources.answers import answer_schema, extract_item, extract_list
from nlapi.resources.id_sources import id_sources
from nlapi.resources.identity import field_at, id_of
from nlapi.resources.nouns import target_noun
from nlapi.resources.paging import PageRole, page_parameters
from nlapi.resources.paths import Place, segments
from nlapi.resources.references import references
from nlapi.sandbox import Sandbox
from nlapi.sandbox.parameters import coerce
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.samples import SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.validation import RawRequest

ENTRIES = 3
"""Entries of each list that are opened."""
SOURCES = 3
"""Lists of the same items from which one operation takes ids."""
SETS = 2
"""Sets of arguments for each operation."""
FIRST_PAGE = {PageRole.OFFSET: 0, PageRole.NUMBER: 1, PageRole.SIZE: 20}
LONG_LIST = 20
"""Entries from which a list is a page."""
BASE = "http://sandbox.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a request; `reason` is that of a refusal."""

    status: int
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


class Player:
    """Calls the operations of one API on its sandbox."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.sandbox = Sandbox(spec)
        self.sources = id_sources(spec)
        self.sampler = Sampler(Schemas(spec))
        self._values: dict[tuple[str, str, str], object] = {}
        self._looking: set[tuple[str, str, str]] = set()
        self.credentials = dict.fromkeys(spec.security_schemes, "user:secret")

    def send(self, operation: Operation, request: Request) -> Reply:
        if alternatives(operation):
            used = {id for one in alternatives(operation) for part in one for id in part.ids}
            given = {id: value for id, value in self.credentials.items() if id in used}
            request = authorize(request, operation, given, base_url=BASE).request
        parts = urlsplit(request.url)
        raw = RawRequest(
            method=request.method,
            path=parts.path,
            query=parts.query,
            headers={name.lower(): value for name, value in request.headers},
            content=request.content or b"",
        )
        try:
            response = self.sandbox.respond(raw)
        except RequestProblem as problem:
            return Reply(status=problem.status, reason=problem.detail)
        except Exception as error:
            return Reply(status=500, reason=f"{type(error).__name__}: {error}"[:200])
        headers = {name.lower(): value for name, value in response.headers}
        is_json = "json" in headers.get("content-type", "")
        return Reply(status=response.status, data=json.loads(response.content) if is_json else None, headers=headers)

    def call(self, operation: Operation, given: Mapping[Place, object]) -> tuple[Reply, dict[Place, object]]:
        """The reply to an operation with `given` values, and all values that were sent."""
        values = {**self.required(operation, given), **given}
        try:
            request = build(operation, values, base_url=BASE)
        except NlapiError as error:
            return Reply(status=0, reason=str(error)), values
        return self.send(operation, request), values

    def required(self, operation: Operation, given: Mapping[Place, object]) -> dict[Place, object]:
        known = {name_key(name): value for (where, name), value in given.items() if where == "path"}
        values: dict[Place, object] = {
            parameter.place: parameter.to_type(FIRST_PAGE[parameter.role])
            for parameter in page_parameters(operation)
            if parameter.role in FIRST_PAGE and parameter.place[0] == "query"
        }
        for parameter in operation.parameters:
            place = parameter.location, parameter.name
            if place in given or place in values or not parameter.required:
                continue
            if parameter.location == "path" and name_key(parameter.name) in known:
                values[place] = known[name_key(parameter.name)]
            else:
                values[place] = self.value(operation, place, {**given, **values})
        body = operation.body
        if body is not None and body.required and not any(where == "body" for where, _ in given):
            values["body", ""] = self.sample(body.media[0].schema, f"{operation.id} body")
        required = {(parameter.location, parameter.name) for parameter in operation.parameters if parameter.required}
        return {place: value for place, value in values.items() if place in required or place[0] == "body"}

    def value(self, operation: Operation, place: Place, given: Mapping[Place, object]) -> object:
        """An id from the first list that has it, else a sample."""
        parameter = operation.parameter(*place)
        assert parameter is not None
        key = operation.id, *place
        if parameter.location == "path" and key not in self._looking:
            self._looking.add(key)
            try:
                for source in self.sources.find_sources(operation, place)[:SOURCES] if len(self._looking) < 5 else ():
                    reply, _ = self.call(source.operation, {k: v for k, v in given.items() if k[0] == "path"})
                    found = ids(reply, source.operation, operation, place, source.field, source.is_listed)
                    if found:
                        return found[0]
            finally:
                self._looking.discard(key)
        return self.sample(parameter.schema, parameter.name)

    def fits(self, operation: Operation, values: Mapping[Place, object]) -> bool:
        """Whether values fit their schemas: an id of one operation may be none for another, and a sample be no body."""
        schemas = self.sampler.schemas
        described: dict[Place, Any] = {(one.location, one.name): one.schema for one in operation.parameters}
        if operation.body is not None:
            described["body", ""] = operation.body.media[0].schema
        texts = {place: coerce(str(value), described[place], schemas) for place, value in values.items() if place[1]}
        return all(schemas.valid(described[place], texts.get(place, value), "write") for place, value in values.items())

    def sample(self, schema: Any, name: str) -> Any:
        is_body = name.endswith(" body")
        return self.sampler.sample(schema, SampleContext(seed=7, path=name, name=name, sparse=is_body))


def ids(
    reply: Reply, lister: Operation, taker: Operation, place: Place, path: str, is_listed: bool = True
) -> list[Any]:
    """The ids in an answer that a place takes; entries without one are left out."""
    noun = target_noun(taker, place)
    answer = extract_list(reply.data, lister) if is_listed else None
    item = extract_item(reply.data, lister) if answer is None else None
    entries: Sequence[Any] = answer.entries if answer is not None else [item] if item is not None else []
    found = []
    for entry in entries:
        id = field_at(entry, path) if path and isinstance(entry, Mapping) else None
        if path == "uri" and isinstance(id, str):
            id = id.rstrip("/").rpartition("/")[2]
        if id is None and isinstance(entry, Mapping):
            id = id_of(entry, place[1], noun)
        elif not isinstance(entry, Mapping | list):
            id = entry
        if isinstance(id, str | int) and not isinstance(id, bool) and id != "":
            found.append(id)
    return found


@dataclass(kw_only=True)
class Tally:
    """What became of the checks; `failures` are (check, cause, example)."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str, str, str]] = field(default_factory=list)
    api: str = ""

    def check(self, name: str, good: bool, cause: str = "", example: str = "") -> bool:
        self.counts[name] += 1
        self.counts[f"{name} good"] += good
        if not good:
            self.failures.append((name, cause, self.api, example))
        return good


def item_reads(spec: Spec) -> Iterator[tuple[Operation, Place]]:
    """The operations that read one item by the placeholder at the end of their path, with its place."""
    for operation in spec.operations:
        path = segments(operation.route)
        if operation.method == "GET" and operation.usable and path and path[-1].parameter:
            yield operation, ("path", path[-1].parameter)


def check_pairs(player: Player, tally: Tally) -> None:
    for reader, place in item_reads(player.spec):
        if reader.parameter(*place) is None:
            continue
        sources = [one for one in player.sources.find_sources(reader, place) if one.is_listed and not one.narrowing]
        index = player.sources.index
        # The first source is the list of the very items; another list whose items have an address of their own is none.
        others = [one for one in sources[1:] if index.item_read(one.operation) in (None, reader)]
        comparable = [one for one in (*sources[:1], *others) if has_parents(one.operation, reader, place)]
        for source in comparable[:SOURCES]:
            check_pair(player, source.operation, reader, place, source.field, tally)


def has_parents(lister: Operation, reader: Operation, place: Place) -> bool:
    """Whether the path of a list names every other item in the path to one: a note of one task is none of another."""
    above = {name_key(part.parameter) for part in segments(lister.route) if part.parameter}
    wanted = {name_key(part.parameter) for part in segments(reader.route) if part.parameter}
    return wanted - {name_key(place[1])} <= above


def check_pair(player: Player, lister: Operation, reader: Operation, place: Place, path: str, tally: Tally) -> None:
    name = f"{lister.id} -> {reader.id}"
    listed, sent = player.call(lister, {})
    if not listed.is_good:
        tally.check("pairs", False, f"list answers {listed.status}", f"{name}: {listed.reason}")
        return
    found = ids(listed, lister, reader, place, path)
    if not found:
        answer = extract_list(listed.data, lister)
        is_empty = answer is not None and not answer.entries
        tally.check("pairs", False, "empty list" if is_empty else "no id in an entry", f"{name} .{path}")
        return
    parameter = reader.parameter(*place)
    assert parameter is not None
    schemas = player.sampler.schemas
    wrong = [id for id in found if not schemas.valid(parameter.schema, coerce(str(id), parameter.schema, schemas))]
    tally.check("id types", not wrong, "the path takes no such id", f"{name}: {wrong[:1]}")
    above = {key: value for key, value in sent.items() if key[0] == "path"}
    for id in dict.fromkeys(found[:ENTRIES]):
        reply, _ = player.call(reader, {**shared(reader, above, place), place: id})
        if not reply.is_good:
            tally.check("pairs", False, f"open answers {reply.status}", f"{name} {id!r}: {reply.reason}")
            return
        item = extract_item(reply.data, reader)
        same = field_at(item, path) if path and item is not None else None
        if same is not None and path != "uri" and str(same) != str(id):
            tally.check("pairs", False, "opens another item", f"{name} {id!r}: {same!r}")
            return
    tally.check("pairs", True)


def shared(reader: Operation, above: Mapping[Place, object], place: Place) -> dict[Place, object]:
    names = {parameter.name for parameter in reader.parameters if parameter.location == "path"}
    return {key: value for key, value in above.items() if key[1] in names and key != place}


def check_references(player: Player, tally: Tally) -> None:
    """Call each operation that removes nothing, and open what its answer refers to."""
    seen: set[tuple[int, str]] = set()
    for operation in player.spec.operations:
        if operation.usable and operation.method != "DELETE":
            reply, _ = player.call(operation, {})
            if reply.is_good:
                open_references(player, operation, reply.data, tally, seen)


def open_references(
    player: Player, operation: Operation, data: object, tally: Tally, seen: set[tuple[int, str]]
) -> None:
    for reference in references(player.spec).find(answer_schema(operation), data):
        key = id(reference.resource), str(reference.id)
        reads = [
            collection.item_operations["GET"]
            for collection in reference.resource.collections
            if "GET" in collection.item_operations
        ]
        reads = [read for read in reads if sum(one.location == "path" for one in read.parameters) == 1]
        if key in seen or not reads:
            continue
        seen.add(key)
        place = "path", str(segments(reads[0].route)[-1].parameter)
        reply, _ = player.call(reads[0], {place: reference.id})
        example = f"{operation.id} {reference.path} = {reference.id!r} at {reads[0].id}: {reply.reason}"
        tally.check("references", reply.is_good, f"answers {reply.status}", example)


def creations(spec: Spec) -> Iterator[tuple[Operation, Operation]]:
    """Each POST to a collection that changes something, with the operation that reads one of its items."""
    index = id_sources(spec).index
    for collection in index.collections.values():
        post, read = collection.operations.get("POST"), collection.item_operations.get("GET")
        if post is not None and read is not None and post.effect is not Effect.READ:
            yield post, read


def check_creates(player: Player, tally: Tally) -> None:
    for post, read in creations(player.spec):
        made_reply, sent = player.call(post, {})
        name = f"{post.id} -> {read.id}"
        if not made_reply.is_good:
            tally.check("creates", False, f"create answers {made_reply.status}", f"{name}: {made_reply.reason}")
            continue
        place = "path", str(segments(read.route)[-1].parameter)
        above = {key: value for key, value in sent.items() if key[0] == "path"}
        found = created_id(made_reply, post, read, place)
        if found is None:
            tally.check("creates", False, "no id in the answer", f"{name}: {json.dumps(made_reply.data)[:120]}")
            continue
        follow_up(player, post, read, place, found, shared(read, above, place), tally)


def created_id(reply: Reply, post: Operation, read: Operation, place: Place) -> object:
    noun = target_noun(read, place)
    answer = extract_list(reply.data, post)
    entries = list(answer.entries[:1]) if answer is not None else []
    for item in (*entries, extract_item(reply.data, post)):
        if isinstance(item, Mapping) and (id := id_of(item, place[1], noun)) is not None:
            return id
        if isinstance(item, str | int) and not isinstance(item, bool):
            return item
    location = reply.headers.get("location", "")
    if location:
        return unquote(location.rstrip("/").rpartition("/")[2])
    return reply.data if isinstance(reply.data, str | int) and not isinstance(reply.data, bool) else None


def follow_up(
    player: Player, post: Operation, read: Operation, place: Place, id: object, above: dict[Place, object], tally: Tally
) -> None:
    name = f"{post.id} -> {read.id}"
    reply, _ = player.call(read, {**above, place: id})
    if not tally.check("creates", reply.is_good, f"read answers {reply.status}", f"{name} {id!r}: {reply.reason}"):
        return
    collection = player.sources.index.collection(segments(read.route)[:-1])
    assert collection is not None
    if (lister := collection.operations.get("GET")) is not None and player.sources.index.is_list(lister):
        listed, _ = player.call(lister, above)
        field_name = player.sources.argument_field(lister, place[1], target_noun(read, place), None) or ""
        found = [str(one) for one in ids(listed, lister, read, place, field_name)]
        answer = extract_list(listed.data, lister)
        # A page of a long list, a list with the schema of one item or without the id does not show it.
        if answer is not None and field_name and len(found) < LONG_LIST and (found or not answer.entries):
            tally.check(
                "created listed", str(id) in found, f"list answers {listed.status}", f"{name} {id!r}: {found[:3]}"
            )
    for method in ("PATCH", "PUT", "DELETE"):
        if (change := collection.item_operations.get(method)) is not None:
            reply, _ = player.call(change, {**shared(change, above, place), renamed(change, place): id})
            text = f"{name} {change.method} {id!r}: {reply.reason}"
            tally.check("created changed", reply.is_good, f"{method} answers {reply.status}", text)
    if "DELETE" in collection.item_operations:
        reply, _ = player.call(read, {**above, place: id})
        tally.check("removed", reply.status in (404, 410), f"read answers {reply.status}", f"{name} {id!r}")


def renamed(operation: Operation, place: Place) -> Place:
    last = segments(operation.route)[-1].parameter
    return ("path", last) if last else place


def check_requests(player: Player, tally: Tally) -> None:
    """Send each operation with arguments made at random from its tool's schema, and with sampled ones."""
    for tool in nlapi.tools(player.spec):
        random = Random(f"1 {tool.operation.id}")
        for _ in range(SETS):
            arguments = made(tool, random)
            if arguments is None:
                continue
            try:
                request = nlapi.build(player.spec, tool.operation.id, arguments, base_url=BASE)
            except NlapiError:
                tally.counts["not built"] += 1
                continue
            report(player.send(tool.operation, request), tool.operation, tally, json.dumps(arguments)[:160])
        reply, values = player.call(tool.operation, {})
        if reply.status and player.fits(tool.operation, values):
            report(reply, tool.operation, tally, "sampled")


def report(reply: Reply, operation: Operation, tally: Tally, arguments: str) -> None:
    """A 404 is about an item that is not there, a 409 about one that is: nothing else may be refused."""
    is_taken = reply.status == 409 and "there is already" in reply.reason
    is_good = reply.status < 400 or reply.status == 404 or is_taken
    group = "reads" if operation.method in READ_METHODS else "writes"
    tally.counts[f"{group} {reply.status // 100}xx"] += 1
    example = f"{operation.method} {operation.id} {arguments}: {reply.reason}"
    tally.check("requests", is_good, f"answers {reply.status}", example)


def play(folder: Path, tally: Tally, checks: Sequence[str]) -> None:
    tally.api = folder.name
    spec = nlapi.load(folder / "openapi.json")
    functions = {
        "pairs": check_pairs,
        "references": check_references,
        "creates": check_creates,
        "requests": check_requests,
    }
    for name in checks:
        player = Player(spec)  # what one check changes is not there in the next
        with player.sandbox:
            functions[name](player, tally)


NAMES = ("pairs", "id types", "references", "creates", "created listed", "created changed", "removed", "requests")


def lines(tally: Tally) -> Iterator[str]:
    for name in NAMES:
        total, good = tally.counts[name], tally.counts[f"{name} good"]
        if total:
            yield f"{name:16} {good:6,} of {total:6,}  {100 * good / total:5.1f} %"
    causes = Counter((check, cause) for check, cause, _, _ in tally.failures)
    for (check, cause), count in sorted(causes.items(), key=lambda pair: (NAMES.index(pair[0][0]), -pair[1])):
        yield f"\n{check}: {cause}: {count}"
        examples = [f"{api} {text}" for one, other, api, text in tally.failures if (one, other) == (check, cause)]
        yield from (f"  {text}"[:300] for text in examples[:3])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sandbox_pairs", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="a folder with one folder for each API")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N APIs")
    parser.add_argument("--only", action="append", metavar="NAME", help="this API; repeatable")
    parser.add_argument("--checks", nargs="+", default=["pairs", "references", "creates", "requests"])
    parser.add_argument("--show", action="store_true", help="print every failure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every failure as JSON")
    parser.add_argument("--verbose", action="store_true", help="print the CPU seconds of each API")
    options = parser.parse_args()
    folders = sorted(one for one in options.root.iterdir() if (one / "openapi.json").exists())
    folders = [one for one in folders if not options.only or one.name in options.only][: options.limit]
    tally = Tally()
    for folder in folders:
        start = time.process_time()
        try:
            play(folder, tally, options.checks)
        except NlapiError as error:
            print(f"{folder.name}: {error}", file=sys.stderr)
        if options.verbose:
            print(f"{folder.name}: {time.process_time() - start:.1f} s of CPU", file=sys.stderr, flush=True)
    print("\n".join(lines(tally)))
    if options.show:
        print("\n".join(f"{check} | {cause} | {api} {text}" for check, cause, api, text in tally.failures))
    if options.json:
        options.json.write_text(json.dumps(tally.failures, indent=1), encoding="utf-8")
    return 0 if not any(check == "requests" and "500" in cause for check, cause, _, _ in tally.failures) else 1


if __name__ == "__main__":
    sys.exit(main())
