"""Every operation that requires credentials, authorised with one for each place: `python -m benchmarks.credentials`.

What a requirement asks for is read from the description itself: the header, query or cookie of each scheme. An
operation counts when it is built with arguments made from its schema, carries what one of its requirements asks for,
and was given no more than one credential for each place, under any of the names that the credential has. Some are sent
to a server on loopback, and what arrives is looked at. What cannot be called is listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import nlapi
from benchmarks.descriptions import DIRECTORY, directory
from benchmarks.roundtrip import made
from nlapi.client.auth import Alternative, alternatives, authorize
from nlapi.errors import ArgumentError, NlapiError
from nlapi.tools.tool import Tool
from tests.servers import Echo, Reply

BASE_URL = "https://api.example"
SECRET = "user:credential-{}"
TRIES = 5
"""Sets of arguments that are tried: what a path may never hold is refused, and a schema may give just that."""

Place = tuple[str, str]


@dataclass(kw_only=True)
class Tally:
    """What became of the operations that require a credential. `faults`: reason -> operations that give it."""

    descriptions: int = 0
    called: int = 0
    sent: int = 0
    arrived: int = 0
    places: Counter[int] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)
    unbuilt: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.credentials", description=__doc__)
    parser.add_argument("--send", type=int, default=300, metavar="N", help="of how many APIs one is sent too (300)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = directory()
    if folder is None:
        print("left out, needs npm")
        return 0
    files = sorted(folder.rglob("*.json"))
    sampled = frozenset(Random(options.seed).sample(files, min(options.send, len(files))))
    tally = Tally(descriptions=len(files))
    with Echo(Reply(200, {})) as echo:
        for file in files:
            name = file.relative_to(folder).as_posix().removesuffix(".json")
            run(file, name, tally, echo if file in sampled else None, Random(f"{options.seed} {name}"))
    print("\n".join(report(tally)))
    return 1 if tally.failures else 0


def run(file: Path, name: str, tally: Tally, echo: Echo | None, random: Random) -> None:
    """Adds one description to `tally`; one of its operations is sent to `echo`, if there is one."""
    spec = nlapi.load(file)
    description = Description(json.loads(file.read_bytes()))
    ready = []
    for tool in nlapi.tools(spec):
        if not description.requires_credential(tool.operation):
            continue
        where = f"{name} {tool.operation.id}"
        if not alternatives(tool.operation):
            tally.faults.setdefault(reason_of(tool.operation), []).append(where)
            continue
        arguments, request = arguments_of(tool, random)
        tally.unbuilt += [where] if arguments is None else []
        if wrong := failure(description, tool, request):
            tally.failures.append(f"{where}: {wrong}"[:300])
            continue
        tally.called += 1
        tally.places[len(alternatives(tool.operation)[0])] += 1
        if arguments is not None:
            ready.append((tool, arguments))
    if echo and ready:
        tally.sent += 1
        wrong = send(description, *random.choice(ready), echo)
        tally.arrived += not wrong
        tally.failures += [f"{name}: {wrong}"[:300]] if wrong else []


class Description:
    """The security of a description, read without nlapi (OpenAPI 3.1.1 §4.8.27 and §4.8.30)."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree
        self.schemes = tree.get("components", {}).get("securitySchemes") or tree.get("securityDefinitions") or {}

    def requires_credential(self, operation: nlapi.Operation) -> bool:
        requirements = self.requirements(operation)
        return bool(requirements) and all(requirements)

    def requirements(self, operation: nlapi.Operation) -> list[dict[str, Any]]:
        item = self.tree["paths"][operation.path]
        node = {**self._behind(item.get("$ref", "#")), **item}[operation.method.lower()]
        return [one for one in node.get("security", self.tree.get("security")) or () if isinstance(one, dict)]

    def places(self, operation: nlapi.Operation) -> list[set[Place]]:
        """The places of each requirement. A header holds one value, whatever is described for it."""
        return [{self._place(self.schemes.get(id, {})) for id in one} for one in self.requirements(operation)]

    def _behind(self, ref: str) -> Mapping[str, Any]:
        node: Any = self.tree
        for key in ref.removeprefix("#").split("/")[1:]:
            node = node[key.replace("~1", "/").replace("~0", "~")]
        return node if node is not self.tree else {}

    @staticmethod
    def _place(scheme: Mapping[str, Any]) -> Place:
        if scheme.get("type") != "apiKey":
            return "header", "authorization"
        return scheme["in"], scheme["name"].lower() if scheme["in"] == "header" else scheme["name"]


def reason_of(operation: nlapi.Operation) -> str:
    """Why no credential can be sent for any requirement."""
    schemes = operation.spec.security_schemes
    faults = {schemes[id].fault for requirement in operation.security for id in requirement} - {""}
    return " or ".join(sorted(faults)) or "of schemes that are not described"


def arguments_of(tool: Tool, random: Random) -> tuple[dict[str, Any] | None, nlapi.Request]:
    """Arguments, and the request that they make; where none were found, None and a request without any."""
    for _ in range(TRIES):
        arguments = made(tool, random)
        try:
            if arguments is not None:
                spec = tool.operation.spec
                return arguments, nlapi.build(spec, tool.operation.id, arguments, base_url=BASE_URL)
        except ArgumentError:
            continue
    return None, nlapi.Request(method=tool.operation.method, url=f"{BASE_URL}{tool.operation.route}")


def failure(description: Description, tool: Tool, request: nlapi.Request) -> str:
    """What is wrong with the authorised request, under every name that its credentials have; "" when nothing is."""
    for needed in alternatives(tool.operation):
        for given in spellings(needed):
            try:
                ready = authorize(request, tool.operation, given, base_url=BASE_URL).request
            except NlapiError as error:
                return str(error)
            if wrong := misplaced(description, tool, given, ready.url, ready.headers):
                return wrong
    return ""


def spellings(needed: Alternative) -> Iterator[dict[str, str]]:
    """The credentials by id, each under its first name, then under its last."""
    for index in (0, -1):
        yield {one.ids[index]: SECRET.format(number) for number, one in enumerate(needed)}


def misplaced(
    description: Description,
    tool: Tool,
    given: Mapping[str, str],
    url: str,
    headers: tuple[tuple[str, str], ...],
) -> str:
    """Is a requirement of the description met by as many credentials as it has places? Why not, or ""."""
    carried = carried_places(url, headers)
    if any(places <= carried and len(places) == len(given) for places in description.places(tool.operation)):
        return ""
    return f"{len(given)} credentials, and the request has {sorted(carried)}"


def carried_places(url: str, headers: tuple[tuple[str, str], ...]) -> set[Place]:
    """Where a request carries one of our credentials."""
    found = {("query", key) for key, value in parse_qsl(urlsplit(url).query) if "credential-" in value}
    for name, value in headers:
        pairs = [pair.strip() for pair in value.split(";")] if name.lower() == "cookie" else []
        found |= {("cookie", pair.partition("=")[0]) for pair in pairs if "credential-" in pair}
        if "credential-" in value or value.startswith("Basic "):
            found.add(("header", name.lower()))
    return found


def send(description: Description, tool: Tool, arguments: Mapping[str, Any], echo: Echo) -> str:
    """Sends an operation to the server on loopback; what is wrong with what arrived, or ""."""
    spec, before = tool.operation.spec, len(echo.received)
    given = next(spellings(alternatives(tool.operation)[0]))
    try:
        nlapi.call(spec, tool.operation.id, arguments, base_url=echo.url, auth=given, yes=True)
    except NlapiError as error:
        return f"{tool.operation.id} was not sent: {error}"
    arrived = echo.received[before]
    return misplaced(description, tool, given, arrived.target, arrived.headers)


def report(tally: Tally) -> Iterator[str]:
    yield from tally.failures[:60]
    every = tally.called + len(tally.failures)
    share = 100 * tally.called / max(every, 1)
    yield f"{tally.called:,} of {every:,} operations that require credentials ({share:.2f} %),"
    yield f"of {tally.descriptions:,} descriptions of {DIRECTORY}, are authorised with one for each place"
    yield f"({', '.join(f'{count:,} with {places}' for places, count in sorted(tally.places.items()))})."
    yield f"{len(tally.unbuilt)} were built without arguments, as none were found at random."
    yield f"{tally.arrived} of {tally.sent} that were sent to a server on loopback arrived so."
    for reason, ids in sorted(tally.faults.items()):
        yield f"Not counted: {len(ids)} whose security is {reason}: {', '.join(ids[:5])}"


if __name__ == "__main__":
    sys.exit(main())
