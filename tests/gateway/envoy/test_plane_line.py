"""The line of `nlapi gateway status` about Envoy."""

from __future__ import annotations

from nlapi.cli.gateway.traffic import plane_line


def test_the_line_says_who_is_connected_and_who_carries_what() -> None:
    envoys = [{"node": "a", "revision": 7}, {"node": "b", "revision": 6}]
    objectives = [{"name": "rank", "plane": "envoy"}, {"name": "chat", "plane": "gateway"}]
    plane = {"kind": "envoy", "url": "http://127.0.0.1:8710", "revision": 7, "envoys": envoys, "objectives": objectives}
    assert plane_line(plane) == (
        "Envoy at http://127.0.0.1:8710: 2 connected, b without revision 7; carries rank; leaves to the gateway chat"
    )
