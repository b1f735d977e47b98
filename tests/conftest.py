"""Settings of all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Nothing timed is a test: a busy machine takes ten times as long for an example, and to make one.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
