"""One gateway for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.kit import Talk, gateway


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    """A gateway with a first revision, spoken to by its admin."""
    with gateway(tmp_path) as running:
        yield running
