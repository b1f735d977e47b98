"""One delta stream of xDS as a state machine without I/O: requests in, the next response out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nlapi.gateway.envoy.messages import EncodedResource
from nlapi.gateway.envoy.resources import (
    CLUSTER,
    ENDPOINTS,
    LISTENERS,
    RESOURCE_TYPES,
    ROUTES,
    SCOPE,
    SECRET,
    EncodedResources,
)

# xDS: a first request for these types that names nothing is for all of them.
_WILDCARD_TYPES = frozenset((CLUSTER, LISTENERS, SCOPE))
# Sent together, so that 1,000 clusters take no 1,000 round trips; Envoy names those that it refuses. Of the others it
# refuses a whole response without a name, so each has a response of its own.
_BATCHED_TYPES = frozenset((CLUSTER, ENDPOINTS, SCOPE))
# Envoy answers for a cluster only when it has its endpoints and certificates.
_WARMING_TYPES = frozenset((ENDPOINTS, SECRET))
_LAST_REMOVED = (CLUSTER, ENDPOINTS)
_WILDCARD = "*"
_ABSENT = ""
"""the version of a resource that Envoy knows not to be there"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaRequest:
    """What a DeltaDiscoveryRequest holds. `error` is the reason of a NACK."""

    type_url: str
    subscribe: Sequence[str] = ()
    unsubscribe: Sequence[str] = ()
    known_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaResponse:
    """What a DeltaDiscoveryResponse holds."""

    type_url: str
    nonce: str
    resources: tuple[EncodedResource, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A response that an Envoy refused (NACK): the resources in it, and the reason in Envoy's words."""

    type_url: str
    names: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class _Subscription:
    """What an Envoy asked for of one type, and the versions that it has."""

    names: set[str] = field(default_factory=set)
    versions: dict[str, str] = field(default_factory=dict)
    is_answered: bool = False

    @property
    def awaits_empty(self) -> bool:
        """Whether an empty response has to say that there is nothing, as Envoy waits for the first one."""
        return not self.is_answered and not self.versions and _WILDCARD in self.names

    def selected(self, resources: Mapping[str, EncodedResource]) -> Iterable[str]:
        """Return the names that it gets."""
        if _WILDCARD in self.names:
            return [*resources, *(name for name in self.names if name != _WILDCARD and name not in resources)]
        return self.names


class DeltaStream:
    """The state of one Envoy: what it asked for, what it has, and what it refused."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, _Subscription] = {}
        self._outstanding: dict[str, DeltaResponse] = {}
        """type URL -> the response that Envoy has not answered yet"""
        self._nonces = 0
        self._rejected: dict[tuple[str, str], Rejection] = {}
        """type URL and name of each resource whose present content was refused"""

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """What Envoy refused and still refuses."""
        return tuple(dict.fromkeys(self._rejected.values()))

    @property
    def is_settled(self) -> bool:
        """Whether Envoy has answered everything that was sent."""
        return not self._outstanding

    def receive(self, request: DeltaRequest) -> Rejection | None:
        """Take a request in, and return the rejection if it is one."""
        subscription = self._subscriptions.get(request.type_url)
        if subscription is None:
            subscription = self._subscriptions[request.type_url] = _Subscription(versions=dict(request.known_versions))
            if request.type_url in _WILDCARD_TYPES and not request.subscribe:
                subscription.names.add(_WILDCARD)
        for name in request.subscribe:
            subscription.names.add(name)
            # A name that is subscribed again is sent again: Envoy has dropped it meanwhile.
            if name not in request.known_versions:
                subscription.versions.pop(name, None)
        for name in request.unsubscribe:
            subscription.names.discard(name)
            subscription.versions.pop(name, None)
        return self._settle(request)

    def _settle(self, request: DeltaRequest) -> Rejection | None:
        response = self._outstanding.get(request.type_url)
        if response is None or response.nonce != request.nonce:
            return None
        del self._outstanding[request.type_url]
        names = (*(resource.name for resource in response.resources), *response.removed)
        for name in names:
            self._rejected.pop((request.type_url, name), None)
        if not request.error:
            if request.type_url == CLUSTER:
                self._retry_routes()
            return None
        # What was refused counts as sent: Envoy keeps what it had, and the same content would be refused again. Of
        # several clusters it takes the good ones, and names the others.
        refused = tuple(name for name in names if f"{name}:" in request.error) or names
        rejection = Rejection(type_url=request.type_url, names=refused, reason=request.error)
        self._rejected |= {(request.type_url, name): rejection for name in refused}
        return rejection

    def _retry_routes(self) -> None:
        """Let refused routes be sent again: what they lacked may be one of the clusters that Envoy has now."""
        for type_url, name in self._rejected:
            if type_url == ROUTES:
                self._subscriptions[type_url].versions.pop(name, None)

    def next_response(self, current: EncodedResources) -> DeltaResponse | None:
        """Return what Envoy has to get next of the current resources, or None while it has all or has to answer first.

        A type is sent when Envoy has answered for the types before it, and clusters with their endpoints are removed
        last: no route ever names a cluster that is not there.
        """
        for type_url in RESOURCE_TYPES:
            if type_url in self._outstanding:
                continue
            if self._outstanding and type_url not in _WARMING_TYPES:
                return None
            response = self._difference(type_url, current, removes=type_url not in _LAST_REMOVED)
            if response is not None:
                return response
        if self._outstanding:
            return None
        removals = (self._difference(type_url, current, removes=True) for type_url in _LAST_REMOVED)
        return next((response for response in removals if response is not None), None)

    def _difference(self, type_url: str, current: EncodedResources, *, removes: bool) -> DeltaResponse | None:
        subscription, resources = self._subscriptions.get(type_url), current.get(type_url, {})
        if subscription is None:
            return None
        changed = tuple(
            resources[name]
            for name in subscription.selected(resources)
            if name in resources and subscription.versions.get(name) != resources[name].version
        )
        removed: tuple[str, ...] = ()
        if removes:
            missing = [name for name in subscription.selected(resources) if name not in resources]
            gone = {name for name, version in subscription.versions.items() if version and name not in resources}
            removed = tuple(
                sorted({*gone, *(name for name in missing if name != _WILDCARD and name not in subscription.versions)})
            )
        if not changed and not removed and not subscription.awaits_empty:
            return None
        subscription.is_answered = True
        if type_url not in _BATCHED_TYPES:
            changed, removed = (changed[:1], ()) if changed else ((), removed)
        self._nonces += 1
        response = DeltaResponse(type_url=type_url, nonce=str(self._nonces), resources=changed, removed=removed)
        subscription.versions |= {resource.name: resource.version for resource in changed}
        # Said once that it is not there; for wildcards it is forgotten.
        for name in removed:
            if name in subscription.names:
                subscription.versions[name] = _ABSENT
            else:
                subscription.versions.pop(name, None)
        self._outstanding[type_url] = response
        return response
