"""Builds the documentation site, strictly: a page, file or heading that a link misses is an error.

usage: python -m benchmarks.docs_site [FOLDER]     (seconds, and once the generator's installation; `make docs`)

The pages are README and docs/, with everything in the repository that they link to, at the same paths. The site has
each page as Markdown too, and /llms.txt, the list of the pages with a sentence about each. The generator is in
.venvs/docs. If it cannot be had, the build is left out, with the reason.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.environments import FOLDER, ROOT, StepError, environment

ENVIRONMENT = FOLDER / "docs"
CONFIG = ROOT / "docs" / "zensical.toml"
SITE = ROOT / "build" / "docs"
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")


def install() -> str:
    """Install the generator once, and return the reason where it cannot be had."""
    project = ROOT / "pyproject.toml"
    try:
        environment(ENVIRONMENT.name, "--group", f"{project}:docs", inputs=[project])
    except StepError as error:
        return error.reason
    return ""


def pages(folder: Path) -> None:
    """Copy README and docs into `folder`, with everything that they link to, and so on."""
    waiting = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    seen: set[Path] = set()
    while waiting:
        page = waiting.pop()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        copy = folder / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, copy)
        if page.suffix == ".md":
            linked = ((page.parent / target).resolve() for target in LINK.findall(page.read_text(encoding="utf-8")))
            waiting += [path for path in linked if path.is_relative_to(ROOT)]


def build(work: Path) -> int:
    """Run the generator over the pages of a folder, and return its exit code; the site is in `site` below it."""
    pages(work / "pages")
    config = CONFIG.read_text(encoding="utf-8")
    config = config.replace("[project]\n", '[project]\ndocs_dir = "pages"\nsite_dir = "site"\n', 1)
    (work / "zensical.toml").write_text(config, encoding="utf-8")
    command = [str(ENVIRONMENT / "bin" / "zensical"), "build", "--strict", "--clean", "-f", str(work / "zensical.toml")]
    return subprocess.run(command, cwd=work).returncode


def listed(nav: list[object]) -> Iterator[tuple[str, str]]:
    """Yield the sections of the navigation and the pages in them, in order."""
    for entry in nav:
        (title, target) = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
        if isinstance(target, list):
            yield str(title), ""
            yield from listed(target)
        else:
            yield "", str(target)


def first_words(text: str) -> tuple[str, str]:
    """Return the title of a page, and the first sentence of prose that it has."""
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    prose = re.sub(r"^```.*?^```$|^<!--.*?-->$", "", text, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^[#|!-].*$", "", prose, flags=re.MULTILINE)
    paragraphs = [" ".join(part.split()) for part in prose.split("\n\n") if part.strip()]
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", lambda match: match[1] or "", paragraphs[0] if paragraphs else "")
    return (title[1] if title else ""), re.split(r"(?<=[.]) ", plain, maxsplit=1)[0].rstrip(":")


def write_texts(work: Path, site: Path) -> None:
    """Put each page into the site as Markdown, and the list of the pages for models."""
    for page in (work / "pages").rglob("*.md"):
        copy = site / page.relative_to(work / "pages")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, copy)
    project = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["project"]
    lines = [f"# {project['site_name']}", "", f"> {project['site_description']}", ""]
    for section, target in listed(project["nav"]):
        if section:
            lines += ["", f"## {section}", ""]
        else:
            title, words = first_words((ROOT / target).read_text(encoding="utf-8"))
            lines.append(f"- [{title}]({target}): {words}" if words else f"- [{title}]({target})")
    (site / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


class Page(HTMLParser):
    """The links and the anchors of a page of the site."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := values.get(name))}
        link = values.get("href") or values.get("src")
        if link and tag != "base":
            self.links.append(link)


def broken_links(site: Path) -> Iterator[str]:
    """Yield each link of the site that leads to no file or no heading of it."""
    parsed = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    for path, page in parsed.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            is_missing = not target.is_file()
            anchor = unquote(parts.fragment)
            if is_missing or (anchor and target in parsed and anchor not in parsed[target].anchors):
                yield f"{path.relative_to(site)}: {link}"


def main() -> int:
    """Build the site, and return 1 where anything in it is broken."""
    if reason := install():
        print(f"left out: the documentation site, as its generator cannot be installed ({reason})")
        return 0
    site = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SITE
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        if code := build(work):
            return code
        write_texts(work, work / "site")
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(work / "site", site)
    broken = sorted(set(broken_links(site)))
    for link in broken:
        print(f"broken: {link}")
    count = len(list(site.rglob("*.html")))
    print(f"{site}: {count} pages, each as Markdown too, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
