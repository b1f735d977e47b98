"""Every path, module and page that the documents name exists."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATTERNS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/design/*.md",
    "benchmarks/*.md",
    "training/README.md",
    "plugins/README.md",
    "examples/gateway/README.md",
)
PAGES = sorted(page for pattern in PATTERNS for page in ROOT.glob(pattern))
FOLDERS = ("nlapi", "tests", "benchmarks", "training", "docs", "specs", "prompts", "plugins", "examples")

PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./*-]*")
"""A path from the root of the repository; `*` stands for any characters."""

MODULE = re.compile(r"(?<![\w./-])(?:nlapi|benchmarks)(?:\.[A-Za-z_]\w*)+")
"""A dotted module, or a public name of one."""

SOURCE_FILE = re.compile(r"`([\w/]+\.py)`")
"""A source file, from the root or from a folder that the page is about."""

LINK = re.compile(r"\]\(([^)#:\s]+)[^):\s]*\)")
"""The target of a link to another page, without its anchor."""


@functools.cache
def path_exists(path: str) -> bool:
    return any(ROOT.glob(path.rstrip("/."))) if "*" in path else (ROOT / path.rstrip(".")).exists()


@functools.cache
def module_exists(name: str) -> bool:
    """Return whether `name` is a module or package, or a name in the source of the module before its last part."""
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module = path.parent / "__init__.py" if path.parent.is_dir() else path.parent.with_suffix(".py")
    return module.is_file() and re.search(rf"\b{path.name}\b", module.read_text(encoding="utf-8")) is not None


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    return {page: page.read_text(encoding="utf-8") for page in PAGES}


def absent(pages: Mapping[Path, str], pattern: re.Pattern[str], exists: Callable[[Path, str], bool]) -> list[str]:
    """Return what the pages name by `pattern` and is not there, behind the page that names it."""
    return [
        f"{page.relative_to(ROOT).as_posix()}: {name}"
        for page, text in pages.items()
        for name in sorted(set(pattern.findall(text)))
        if not exists(page, name)
    ]


def test_paths_exist(pages: dict[Path, str]) -> None:
    assert absent(pages, PATH, lambda _, name: path_exists(name)) == []


def test_modules_exist(pages: dict[Path, str]) -> None:
    assert absent(pages, MODULE, lambda _, name: module_exists(name)) == []


def test_source_files_exist(pages: dict[Path, str]) -> None:
    files = {file.relative_to(ROOT).as_posix() for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")}
    ends = {path[start:] for path in files for start in (0, *(one.end() for one in re.finditer("/", path)))}
    assert absent(pages, SOURCE_FILE, lambda _, name: name in ends) == []


def test_links_lead_to_a_file(pages: dict[Path, str]) -> None:
    assert absent(pages, LINK, lambda page, name: (page.parent / name).exists()) == []


ROW = re.compile(r"^\| [^|]+\? \| `(nlapi/[\w/]+\.py)` \| `(\w+)` \|$", re.MULTILINE)
"""A row of the table of docs/architecture.md: a question, the file that answers it, and a name in that file."""


def test_each_place_of_the_architecture_is_the_only_one_of_its_name() -> None:
    defined: dict[str, list[str]] = {}
    for file in (ROOT / "nlapi").rglob("*.py"):
        for name in re.findall(r"^(?:async )?(?:def|class) (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE):
            defined.setdefault(name, []).append(file.relative_to(ROOT).as_posix())
    rows = ROW.findall((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    assert len(rows) >= 30
    assert {name: defined.get(name) for file, name in rows} == {name: [file] for file, name in rows}


def test_the_index_of_the_design_pages_has_each_of_them() -> None:
    folder = ROOT / "docs" / "design"
    listed = re.findall(r"^- \[\d+\]\(([\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == sorted(page.name for page in folder.glob("[0-9]*.md"))


HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
ANCHOR = re.compile(r"\]\(([^):\s]*)#([^)\s]+)\)")
"""A link to a heading: the page, empty for the page itself, and the heading's anchor."""


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings where GitHub and the site's generator make the same of a heading."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    found = set()
    for heading in HEADING.findall(prose):
        plain = re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
        if re.sub(r"\s", "-", plain) == (both := re.sub(r"[-\s]+", "-", plain)):
            found.add(both)
    return found


def test_links_lead_to_a_heading(pages: dict[Path, str]) -> None:
    headings = {page: anchors(text) for page, text in pages.items()}

    def leads(page: Path, link: tuple[str, str]) -> bool:
        target = (page.parent / link[0]).resolve() if link[0] else page
        return target.suffix != ".md" or link[1] in headings.get(target, anchors(target.read_text(encoding="utf-8")))

    missing = [
        f"{page.name}: {link}" for page, text in pages.items() for link in ANCHOR.findall(text) if not leads(page, link)
    ]
    assert missing == []
