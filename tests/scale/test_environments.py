"""Environments of large packages: made once, left out with the reason where a package cannot be had."""

from __future__ import annotations

import subprocess

import pytest

from tests.scale.environments import environment_python


def test_a_package_that_cannot_be_installed_is_the_reason_of_a_skip() -> None:
    with pytest.raises(pytest.skip.Exception, match="cannot be installed"):
        environment_python("scale-missing", "./no-such-folder-of-this-checkout")


def test_an_environment_is_used_again() -> None:
    first = environment_python("scale-empty", "packaging")
    subprocess.run([str(first), "-c", "import packaging"], check=True)
    before = first.lstat().st_ctime_ns
    assert environment_python("scale-empty", "packaging").lstat().st_ctime_ns == before
