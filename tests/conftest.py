"""Settings of all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Nothing timed is a test: a busy machine takes ten times as long for an example, and to make one.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("untimed"), max_examples=25)
settings.load_profile("untimed")

# A worker of a gateway passes each file that stands beside a folder above its secrets, and all programs leave files in
# the folder of temporary files: with ten thousand there, a worker starts ten times as slowly.
if os.access("/var/tmp", os.W_OK | os.X_OK):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/var/tmp")

# A client that trusts one authority, whose key nobody has, is ready sooner than with a system's list, by 15 ms.
os.environ.setdefault("SSL_CERT_FILE", str(Path(__file__).with_name("nobody.pem")))

# A shell that ignores Ctrl-C (nohup, some CI) hands that down to the commands that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without the garbage collector, which would pass again and again what stays until the end."""
    # As the command has it: most tests load descriptions and make plans, with much to pass and hardly any garbage.
    gc.set_threshold(100_000)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
