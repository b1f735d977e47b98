"""The specification's own files: `python -m benchmarks.arazzo --data DIR`.

DIR is a checkout of OAI's Arazzo repository, or what `../shared/data/arazzo-spec` has of one: `tests/schema/pass` must
be accepted, `tests/schema/fail` refused, and of each example what `nlapi workflow check` finds is printed. Descriptions
that are not beside an example are not fetched.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from nlapi.errors import Level, NlapiError
from nlapi.workflows.check import check
from nlapi.workflows.model import WorkflowDocument
from nlapi.workflows.read import read_document
from nlapi.workflows.sources import link

TESTS = Path("tests/schema")


def outcome(file: Path) -> tuple[bool, str]:
    """Return whether a file is accepted, and why it is not."""
    try:
        document = read_document(str(file))
    except NlapiError as error:
        return False, error.message
    faults = [str(issue) for issue in document.issues if issue.level is Level.ERROR]
    return not faults, "; ".join(faults)


def findings(file: Path) -> tuple[str, ...]:
    """Return what the check finds in an example, with the descriptions beside it in place of those that it names."""
    document = read_document(str(file))
    linked = link(document, sources=_beside(document, file))
    return tuple(str(issue) for issue in check(linked))


def _beside(document: WorkflowDocument, file: Path) -> dict[str, str]:
    """Return the file beside an example for each source; one that is not there is a path into nothing."""
    names = {source.name: Path(source.url.rpartition("/")[2]).name for source in document.sources}
    stem = file.name.partition(".")[0].removesuffix("-arazzo")
    own = sorted(file.parent.glob(f"{stem}*openapi*"))
    paths = {name: file.parent / url for name, url in names.items()}
    return {name: str(path if path.is_file() or not own else own[0]) for name, path in paths.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the specification's files")
    data = parser.parse_args().data
    right: Counter[str] = Counter()
    for kind in ("pass", "fail"):
        files = sorted((data / TESTS / kind).glob("*.yaml"))
        for file in files:
            is_accepted, reason = outcome(file)
            right[kind] += is_accepted is (kind == "pass")
            print(f"{kind}  {'accepted' if is_accepted else 'refused'}  {file.name}  {reason}")
        print(f"{right[kind]} of {len(files)} that must {kind} do")
    for file in sorted(data.glob("examples/*/*arazzo.yaml")):
        print(f"\nexample {file.name}")
        for line in findings(file):
            print(f"  {line}")


if __name__ == "__main__":
    main()
