"""A delta stream: what is sent, in which order, and what an Envoy refuses."""

from __future__ import annotations

from collections.abc import Iterable

from nlapi.gateway.envoy.ads_server import DeltaRequest, DeltaResponse, DeltaStream
from nlapi.gateway.envoy.messages import EncodedResource
from nlapi.gateway.envoy.resources import CLUSTER, ENDPOINTS, LISTENERS, ROUTES, SCOPE, EncodedResources


def resources(**kinds: dict[str, str]) -> EncodedResources:
    """Resources by kind and name, with their versions."""
    types = {"clusters": CLUSTER, "endpoints": ENDPOINTS, "listeners": LISTENERS, "routes": ROUTES, "scopes": SCOPE}
    return {
        types[kind]: {
            name: EncodedResource(name=name, type_url=types[kind], version=version, content=version.encode())
            for name, version in versions.items()
        }
        for kind, versions in kinds.items()
    }


class Envoy:
    """An Envoy that subscribes and answers, with what it was sent."""

    def __init__(self, *types: str) -> None:
        self.stream = DeltaStream()
        for type_url in types:
            self.stream.receive(DeltaRequest(type_url=type_url))

    def subscribe(self, type_url: str, *names: str, **known: str) -> None:
        self.stream.receive(DeltaRequest(type_url=type_url, subscribe=names, known_versions=known))

    def answer(self, response: DeltaResponse, error: str = "") -> None:
        self.stream.receive(DeltaRequest(type_url=response.type_url, nonce=response.nonce, error=error))

    def take_all(self, current: EncodedResources) -> list[tuple[str, list[str], list[str]]]:
        """Answer all responses; for each its type, the names in it and those removed."""
        taken = []
        while (response := self.stream.next_response(current)) is not None:
            kind = response.type_url.rpartition(".")[2]
            taken.append((kind, _names(response.resources), list(response.removed)))
            self.answer(response)
        return taken


def _names(sent: Iterable[EncodedResource]) -> list[str]:
    return sorted(resource.name for resource in sent)


def test_what_is_referred_to_comes_first_and_goes_last() -> None:
    envoy = Envoy(CLUSTER, LISTENERS)
    envoy.subscribe(ROUTES, "rank")
    first = resources(clusters={"a": "1"}, listeners={"l": "1"}, routes={"rank": "1"})
    assert envoy.take_all(first) == [
        ("Cluster", ["a"], []),
        ("Listener", ["l"], []),
        ("RouteConfiguration", ["rank"], []),
    ]
    second = resources(clusters={"b": "1"}, listeners={"l": "1"}, routes={"rank": "2"})
    assert envoy.take_all(second) == [
        ("Cluster", ["b"], []),
        ("RouteConfiguration", ["rank"], []),
        ("Cluster", [], ["a"]),
    ]
    assert envoy.take_all(second) == []


def test_endpoints_come_while_their_cluster_is_not_answered_and_routes_wait() -> None:
    envoy = Envoy(CLUSTER)
    envoy.subscribe(ROUTES, "rank")
    current = resources(clusters={"a": "1"}, endpoints={"a": "1"}, routes={"rank": "1"})
    clusters = envoy.stream.next_response(current)
    assert clusters is not None
    envoy.subscribe(ENDPOINTS, "a")
    endpoints = envoy.stream.next_response(current)
    assert endpoints is not None
    assert endpoints.type_url == ENDPOINTS
    envoy.answer(endpoints)
    assert envoy.stream.next_response(current) is None
    envoy.answer(clusters)
    assert envoy.take_all(current) == [("RouteConfiguration", ["rank"], [])]


def test_only_what_differs_is_sent_also_after_a_reconnect() -> None:
    current = resources(clusters={"a": "1", "b": "2"})
    envoy = Envoy()
    envoy.stream.receive(DeltaRequest(type_url=CLUSTER, known_versions={"a": "1", "b": "1", "gone": "1"}))
    assert envoy.take_all(current) == [("Cluster", ["b"], []), ("Cluster", [], ["gone"])]


def test_a_wildcard_is_answered_when_there_is_nothing_and_a_name_when_it_is_missing() -> None:
    envoy = Envoy(SCOPE)
    assert envoy.take_all({}) == [("ScopedRouteConfiguration", [], [])]
    envoy.subscribe(ROUTES, "rank")
    assert envoy.take_all({}) == [("RouteConfiguration", [], ["rank"])]
    assert envoy.take_all(resources(routes={"rank": "1"})) == [("RouteConfiguration", ["rank"], [])]


def test_a_refusal_is_named_alone_and_not_sent_again_until_it_changes() -> None:
    envoy = Envoy(CLUSTER)
    envoy.subscribe(ROUTES, "rank", "fraud")
    envoy.take_all(resources(clusters={"a": "1"}))
    current = resources(clusters={"a": "1"}, routes={"rank": "1", "fraud": "1"})
    refused = []
    while (response := envoy.stream.next_response(current)) is not None:
        (name,) = _names(response.resources)
        envoy.answer(response, "unknown cluster" if name == "rank" else "")
        refused.append(name)
    assert sorted(refused) == ["fraud", "rank"]
    (rejection,) = envoy.stream.rejections
    assert (rejection.names, rejection.reason) == (("rank",), "unknown cluster")
    assert envoy.stream.next_response(current) is None
    envoy.take_all(resources(clusters={"a": "1"}, routes={"rank": "2", "fraud": "1"}))
    assert envoy.stream.rejections == ()


def test_a_name_that_is_subscribed_again_is_sent_again() -> None:
    envoy = Envoy()
    envoy.subscribe(ENDPOINTS, "a")
    current = resources(endpoints={"a": "1"})
    assert envoy.take_all(current) == [("ClusterLoadAssignment", ["a"], [])]
    envoy.stream.receive(DeltaRequest(type_url=ENDPOINTS, unsubscribe=("a",)))
    envoy.subscribe(ENDPOINTS, "a")
    assert envoy.take_all(current) == [("ClusterLoadAssignment", ["a"], [])]


def test_a_refused_route_is_sent_again_when_its_cluster_is_there() -> None:
    envoy = Envoy(CLUSTER)
    envoy.subscribe(ROUTES, "rank")
    current = resources(clusters={"a": "bad", "b": "1"}, routes={"rank": "1"})
    clusters = envoy.stream.next_response(current)
    assert clusters is not None
    envoy.answer(clusters, "Error adding/updating cluster(s) a: no such file")
    routes = envoy.stream.next_response(current)
    assert routes is not None
    envoy.answer(routes, "route: unknown cluster 'a'")
    assert {rejection.names for rejection in envoy.stream.rejections} == {("a",), ("rank",)}
    mended = resources(clusters={"a": "good", "b": "1"}, routes={"rank": "1"})
    assert envoy.take_all(mended) == [("Cluster", ["a"], []), ("RouteConfiguration", ["rank"], [])]
    assert envoy.stream.rejections == ()
