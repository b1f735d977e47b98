"""The version of an Envoy, and the oldest that understands what it is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nlapi.errors import UsageError


@dataclass(frozen=True, slots=True, order=True)
class EnvoyVersion:
    """A release of Envoy."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


# Fields that an Envoy does not know are ignored, and its routes would not be what was meant. Tried with 1.36.4, 1.37.0,
# 1.38.2 and 1.40.0; an older one is not on PyPI.
OLDEST_VERSION = EnvoyVersion(1, 36, 0)


def parse_version(text: str) -> EnvoyVersion:
    """Return the version that `envoy --version` prints. UsageError when there is none in the text."""
    match = re.search(r"/(\d+)\.(\d+)\.(\d+)", text)
    if match is None:
        raise UsageError("that is no Envoy: it prints no version", hint="name the program with --envoy PATH")
    return EnvoyVersion(*map(int, match.groups()))


def age_problem(version: EnvoyVersion) -> str:
    """Return why a version cannot be used, or "" when it can."""
    return (
        f"Envoy {version} is too old: {OLDEST_VERSION} is the oldest that can be used"
        if version < OLDEST_VERSION
        else ""
    )
