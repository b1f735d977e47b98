"""Tests of changes that run the command have folders of their own too, and no keys."""

from __future__ import annotations

from tests.cli.conftest import home as home
