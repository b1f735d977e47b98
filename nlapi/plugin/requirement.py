"""Which nlapi a plugin may fetch where none is installed: one exact artifact, or none.

A name at a package index is whoever registers it, and a version or a tag may be moved. So a requirement names bytes: a
hash that the installer compares, or a commit, which is a hash itself.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from nlapi.errors import UsageError
from nlapi.issue import Issue, Level

EXTRA = "mcp"
"""The extra that a plugin needs, for its MCP server."""

REQUIREMENT_HINT = (
    "an exact version with its hash ('nlapi==1.2.3 --hash=sha256:...'), git+https://HOST/REPOSITORY@COMMIT, "
    "https://HOST/FILE.whl#sha256=..., or the path of a wheel"
)

UNPINNED = "options.requirement"
"""Where an Issue is about a requirement in a manifest that names no exact bytes."""

_VERSION = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[a-z0-9, -]*\])? *== *(?P<version>\d[A-Za-z0-9.!+_-]*)"
    r"(?P<hashes>(?: +--hash=sha256:[0-9a-f]{64})*)"
)
# 40 hexadecimal digits name a commit, 64 in a repository of SHA-256; a branch or a tag can be moved to another one.
_REPOSITORY = re.compile(r"git\+(?P<url>https://[^\s@#'\"]+|ssh://git@[^\s@#'\"]+)@(?P<commit>[^\s@#'\"]+)")
_USER = re.compile(r"://(?!git@)[^/\s@]+@")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_WHEEL_NAME = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>\d[^-\s]*)(?:-\d[^-\s]*)?(?:-[^-\s]+){3}\.whl")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class RequirementKind(Enum):
    """The kinds of artifacts that are pinned by their content."""

    VERSION = "version"
    REPOSITORY = "repository"
    WHEEL_URL = "wheel at a URL"
    WHEEL_FILE = "wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One exact nlapi. `source` is a version, a URL or the path of a wheel seen from the plugin's folder."""

    kind: RequirementKind
    name: str
    source: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        """Return the requirement as it stands in a plugin's manifest, from which it can be parsed again."""
        match self.kind:
            case RequirementKind.VERSION:
                return " ".join((f"{self.name}=={self.source}", *(f"--hash=sha256:{value}" for value in self.hashes)))
            case RequirementKind.REPOSITORY:
                return f"git+{self.source}@{self.hashes[0]}"
            case _:
                return f"{self.source}#sha256={self.hashes[0]}"

    @property
    def key(self) -> str:
        """The name of the folder for its environment: one for each artifact."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:32]


def parse_requirement(text: str) -> Requirement:
    """Return the Requirement that a text is; UsageError for one that does not name exact bytes."""
    text = text.strip()
    if "\n" in text or not text.isprintable():
        raise _refusal(text, "is not one line")
    if match := _VERSION.fullmatch(text):
        hashes = tuple(re.findall(r"sha256:([0-9a-f]{64})", match["hashes"]))
        if not hashes:
            raise _refusal(text, "has no hash, so any file that an index has under this name and version would do")
        return Requirement(
            kind=RequirementKind.VERSION, name=match["name"], source=match["version"], hashes=tuple(sorted(hashes))
        )
    if text.startswith("git+"):
        return _parse_repository(text)
    location, _, fragment = text.partition("#")
    wheel = _WHEEL_NAME.fullmatch(location.replace("\\", "/").rpartition("/")[2])
    if wheel is None:
        raise _refusal(text, "does not say exactly which nlapi")
    sha256 = fragment.removeprefix("sha256=")
    if not fragment.startswith("sha256=") or not _SHA256.fullmatch(sha256):
        raise _refusal(text, "has no hash: it ends in #sha256= and 64 hexadecimal digits")
    kind = RequirementKind.WHEEL_URL if "://" in location else RequirementKind.WHEEL_FILE
    if kind is RequirementKind.WHEEL_URL:
        _check_url(text, location)
    return Requirement(kind=kind, name=wheel["name"].replace("_", "-"), source=location, hashes=(sha256,))


def _parse_repository(text: str) -> Requirement:
    match = _REPOSITORY.fullmatch(text)
    if match is None:
        raise _refusal(text, "is no git URL with a commit")
    if not _COMMIT.fullmatch(match["commit"]):
        raise _refusal(text, f"names {match['commit'][:40]!r}, which is no full commit: a branch or a tag can be moved")
    return Requirement(kind=RequirementKind.REPOSITORY, name="nlapi", source=match["url"], hashes=(match["commit"],))


def _check_url(text: str, location: str) -> None:
    parts = urlsplit(location)
    is_loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.username or parts.password:
        raise _refusal(text, "has a credential in it, which would be in the plugin")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
        raise _refusal(text, "is not fetched over https")
    if re.search(r"[\s'\"\\]", location):
        raise _refusal(text, "has characters that a URL has not")


def _refusal(text: str, reason: str) -> UsageError:
    return UsageError(f"the requirement {_USER.sub('://***@', text)[:200]!r} {reason}", hint=REQUIREMENT_HINT)


def wheel_digest(path: Path) -> str:
    """Return the SHA-256 of a wheel; UsageError when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=REQUIREMENT_HINT) from None


def requirement_issues(text: str, folder: Path) -> Iterator[Issue]:
    """Yield an Issue for a requirement of a plugin in `folder` that is not pinned, or whose wheel is another one."""
    if not text:
        return
    try:
        requirement = parse_requirement(text)
    except UsageError as error:
        yield _requirement_issue(UNPINNED, error.message, "build it again with --requirement", Level.ERROR)
        return
    if requirement.kind is not RequirementKind.WHEEL_FILE:
        return
    wheel = folder / requirement.source
    if not wheel.is_file():
        message = "the wheel is not there, so that this plugin works only where nlapi is installed"
        yield _requirement_issue(requirement.source, message, "put it there", Level.WARNING)
    elif wheel_digest(wheel) != requirement.hashes[0]:
        message = "is not the wheel that the plugin was built with: its hash differs"
        yield _requirement_issue(requirement.source, message, "build it again with --requirement", Level.ERROR)


def _requirement_issue(location: str, message: str, hint: str, level: Level) -> Issue:
    return Issue(level=level, where=location, message=message, hint=hint, rule="requirement")


def install_lines(requirement: Requirement) -> str:
    """Return the lines of `sh` that install a requirement, with `install` for the installer and `$root`, `$new`."""
    extra = f"[{EXTRA}]"
    source, sha256 = requirement.source, requirement.hashes[0]
    match requirement.kind:
        case RequirementKind.VERSION:
            # uvx and pipx compare no hash of a version (uv 0.13.9 runs the wrong file); `--require-hashes` does, and
            # wants one for each dependency too. So nlapi comes alone, then what it depends on, which leaves it there.
            lines = [
                f"printf '%s\\n' {shlex.quote(str(requirement))} >\"$new/requirements.txt\"",
                'install --no-deps --require-hashes -r "$new/requirements.txt"',
                f"install {shlex.quote(f'{requirement.name}{extra}=={source}')}",
            ]
        case RequirementKind.REPOSITORY:
            lines = [f"install {shlex.quote(f'{requirement.name}{extra} @ {requirement}')}"]
        case RequirementKind.WHEEL_URL:
            lines = [f"install {shlex.quote(f'{requirement.name}{extra} @ {source}#sha256={sha256}')}"]
        case _:
            lines = [
                f'same_file "$root"/{shlex.quote(source)} {sha256}',
                f'install "$root"/{shlex.quote(source + extra)}',
            ]
    return " &&\n".join(f"  {line}" for line in lines)
