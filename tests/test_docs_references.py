"""Every path, module and page that the documents name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATTERNS = ("README.md", "CONTRIBUTING.md", "docs/*.md", "docs/design/*.md", "benchmarks/*.md", "training/README.md")
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


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def path_exists(path: str) -> bool:
    return any(ROOT.glob(path.rstrip("/."))) if "*" in path else (ROOT / path.rstrip(".")).exists()


def module_exists(name: str) -> bool:
    """Return whether `name` is a module or package, or a name in the source of the module before its last part."""
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module = path.parent / "__init__.py" if path.parent.is_dir() else path.parent.with_suffix(".py")
    return module.is_file() and re.search(rf"\b{path.name}\b", module.read_text(encoding="utf-8")) is not None


def source_files() -> Iterator[str]:
    """Yield the source files of the repository as paths with a leading slash."""
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*.py"):
            yield f"/{file.relative_to(ROOT).as_posix()}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_paths_exist(page: Path) -> None:
    paths = set(PATH.findall(page.read_text(encoding="utf-8")))
    assert sorted(path for path in paths if not path_exists(path)) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_modules_exist(page: Path) -> None:
    names = set(MODULE.findall(page.read_text(encoding="utf-8")))
    assert sorted(name for name in names if not module_exists(name)) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_source_files_exist(page: Path) -> None:
    files = tuple(source_files())
    names = set(SOURCE_FILE.findall(page.read_text(encoding="utf-8")))
    assert sorted(name for name in names if not any(file.endswith(f"/{name}") for file in files)) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_to_a_file(page: Path) -> None:
    targets = set(LINK.findall(page.read_text(encoding="utf-8")))
    assert sorted(target for target in targets if not (page.parent / target).exists()) == []


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
