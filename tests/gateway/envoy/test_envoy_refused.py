"""What a gateway refuses of an Envoy, of a port and of a control plane before anything is served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nlapi.cli.gateway.planes import check_control_host
from nlapi.errors import UsageError
from nlapi.gateway.envoy.ads_server import AdsServer
from nlapi.gateway.envoy.data_plane import EnvoyDataPlane
from nlapi.gateway.envoy.envoy_process import EnvoyProcess, check_envoy, find_envoy
from nlapi.gateway.envoy.options import DataPlaneOptions
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.serving import open_listener


def program(folder: Path, text: str) -> Path:
    """A program that prints a text, as `envoy --version` prints its version."""
    file = folder / "envoy"
    file.write_text(f"#!/bin/sh\necho '{text}'\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("envoy  version: 9e55/1.30.4/Clean/RELEASE/BoringSSL", "Envoy 1.30.4 is too old"),
        ("hello", "that is not an Envoy: it prints no version"),
    ],
)
def test_a_program_that_is_no_envoy_or_too_old_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        asyncio.run(check_envoy(program(tmp_path, text)))
    assert "--envoy PATH" in caught.value.hint


def test_a_current_envoy_is_taken(tmp_path: Path) -> None:
    file = program(tmp_path, "envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL")
    assert str(asyncio.run(check_envoy(file))) == "1.40.0"
    assert find_envoy(file) == file


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a program"):
        find_envoy(tmp_path / "envoy")


def test_a_port_that_is_taken_is_refused() -> None:
    with open_listener("127.0.0.1", 0) as (listener, _):
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot serve Envoy on 127.0.0.1:{port}"):
            asyncio.run(AdsServer("127.0.0.1", port).start())
        asyncio.run(_start_on(port))


async def _start_on(port: int) -> None:
    process = EnvoyProcess(Path("envoy"), lambda admin: {})
    plane = EnvoyDataPlane(DataPlaneOptions(port=port), AdsServer("127.0.0.1", 0), KeyRing(""), process)
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
        await plane.start()


def test_a_control_plane_for_other_machines_needs_certificates() -> None:
    check_control_host("127.0.0.1", None)
    with pytest.raises(UsageError, match="anybody may read the routes"):
        check_control_host("0.0.0.0", None)
