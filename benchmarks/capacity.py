"""How many cores a million requests a second take: resolver load by simulated client caches, and measured costs."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import envoy_costs
from benchmarks.load import closed_loop, cpu_seconds, request, server
from benchmarks.ports import free_port

UTILIZATION = 0.6
"""the part of a core that is planned with; the rest is for peaks and for a zone that fails"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """CPU of one request in microseconds, and where the figure comes from."""

    name: str
    us: float
    source: str


_PAGE = "benchmarks/GATEWAY_ENVOY.md"
PAYLOADS = {"1 KB": 1_000, "128 KB": 128_000, "1.3 MB": 1_300_000}
"""the payloads of that page, in bytes"""


def page_cost(row: str, payload: str, name: str = "") -> UnitCost | None:
    """Return what the page of Envoy says of a way and a payload; None where it was left out."""
    us = envoy_costs.read_costs().get(row, {}).get(payload)
    return None if us is None else UnitCost(name=name or row, us=us, source=_PAGE)


_PATHS = {
    envoy_costs.PLAIN: "Envoy with one static route",
    envoy_costs.MOST_ROUTES: "Envoy: signed keys, limits, routes, JSON log",
    envoy_costs.EMBEDDED: "gateway in the path (embedded engine)",
    envoy_costs.LITELLM: "",
    envoy_costs.RAY: "Ray Serve's proxy, and a deployment that does nothing",
}


def path_costs(payload: str) -> list[UnitCost]:
    """Return the cost of each way for a payload, all of one run."""
    found = (page_cost(row, payload, name) for row, name in _PATHS.items())
    return [cost for cost in found if cost is not None]


REPLICA = UnitCost(
    name="a replica on Ray, stages that do nothing; 1 KB", us=490.0, source="python -m benchmarks.gateway_ray --cost"
)
SIGNATURE = UnitCost(
    name="ES256 signature, once for each cell and range", us=45.0, source="a quiet machine (docs/design/041)"
)
# 103 MB at 10,000 cells with a whole Route each, 69 MB at 10.
ROUTE_BYTES = (103 - 69) * 2**20 / 10_000

ENTRY_BYTES = 2048
"""of one cached decision of the client library"""
MAX_PROCESS_RATE = 1000
CACHE_ENTRIES = 10_000
"""decisions of one objective that a client keeps, its default"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The requests of all clients: who asks for what, and how often. Shares fall by rank as Zipf's law says."""

    rate: float = 1e6
    processes: int = 2000
    """client processes with a cache of their own"""
    objectives: int = 20
    users: int = 50_000_000
    user_skew: float = 0.8
    countries: int = 200
    devices: Sequence[float] = (45, 25, 15, 10, 4, 1)
    ranges: int = 4
    """ranges of buckets that a split has"""

    @property
    def process_rate(self) -> float:
        """Requests a second of one client process."""
        return self.rate / self.processes


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCase:
    """A way of caching: what the key of a decision has in it, and how long it is fresh."""

    name: str
    max_age_s: float
    by_user: bool = False
    by_range: bool = False
    has_affinity: bool = False
    """whether all requests of a user come to one client process"""


@dataclass(slots=True, kw_only=True)
class CacheResult:
    """What one client process has done in half of `max_age_s`, and in its first second."""

    requests: int = 0
    misses: int = 0
    first_second_misses: int = 0
    entries: int = 0

    @property
    def hit_rate(self) -> float:
        return 1 - self.misses / self.requests


@dataclass(slots=True)
class ObjectiveCache:
    """The decisions of one objective; the oldest goes when there are too many."""

    fresh_until: dict[object, float] = field(default_factory=dict)

    def ask(self, key: object, now: float, max_age_s: float) -> bool:
        """Return whether a decision is cached, and cache it."""
        if self.fresh_until.get(key, 0.0) > now:
            return True
        self.fresh_until.pop(key, None)
        self.fresh_until[key] = now + max_age_s
        if len(self.fresh_until) > CACHE_ENTRIES:
            del self.fresh_until[next(iter(self.fresh_until))]
        return False


def simulate(case: CacheCase, population: Population, generator: random.Random) -> CacheResult:
    """Send the requests of one client process through its cache: two ages to fill it, and a part that is counted."""
    caches = [ObjectiveCache() for _ in range(population.objectives)]
    users = population.users // population.processes if case.has_affinity else population.users
    draw_user = zipf(users, population.user_skew, generator)
    draw_objective = zipf(population.objectives, 1.0001, generator)
    result = CacheResult()
    # A cache that fills at once also expires at once; after two ages that has evened out.
    start, end = 2 * case.max_age_s, 2.5 * case.max_age_s
    step, now = 1 / population.process_rate, 0.0
    devices, weights = range(len(population.devices)), population.devices
    while now < end:
        # A user has one country; the device varies.
        user = draw_user()
        country = int(population.countries ** (_unit(user) ** 1.5)) - 1
        key: list[object] = [country, generator.choices(devices, weights)[0]]
        if case.by_user:
            key.append(user)
        if case.by_range:
            key.append(int(_unit(user, _OTHER_HASH) * population.ranges))
        is_hit = caches[draw_objective()].ask(tuple(key), now, case.max_age_s)
        if now < 1:
            result.first_second_misses += not is_hit
        if now >= start:
            result.requests += 1
            result.misses += not is_hit
        now += step
    result.entries = sum(len(cache.fresh_until) for cache in caches)
    return result


def zipf(count: int, skew: float, generator: random.Random) -> Callable[[], int]:
    """Return a function that draws a rank from 0 with a probability that falls with rank ** -skew."""
    # The inverse of the continuous distribution: exact enough for hit rates, and as fast for any number of ranks.
    power = 1 - skew
    top = (count + 1) ** power - 1
    return lambda: min(count - 1, int((top * generator.random() + 1) ** (1 / power)) - 1)


_OTHER_HASH = 0xC2B2AE3D27D4EB4F


def _unit(number: int, factor: int = 0x9E3779B97F4A7C15) -> float:
    """Return a fixed number in [0, 1) for a user; another `factor` gives an independent one."""
    return (number * factor % 2**64) / 2**64


CASES = (
    CacheCase(name="rules on country and device", max_age_s=60),
    CacheCase(name="the same, fresh for 600 s", max_age_s=600),
    CacheCase(name="split by user, a user's requests come anywhere", max_age_s=60, by_user=True),
    CacheCase(name="split by user, each user at one client process", max_age_s=60, by_user=True, has_affinity=True),
    CacheCase(name="the same, fresh for 600 s", max_age_s=600, by_user=True, has_affinity=True),
    CacheCase(name="split by user, cached by range of buckets, 600 s (not built)", max_age_s=600, by_range=True),
)


def measure_resolve(count: int) -> Iterator[UnitCost]:
    """Yield the costs of resolve and serve of this checkout, with 220 rules and nothing recorded."""
    import json

    from benchmarks.gateway_servers import CONTEXT, INPUT

    with tempfile.TemporaryDirectory() as folder:
        port, tokens = free_port(), Path(folder) / "tokens.json"
        command = [sys.executable, "-m", "benchmarks.gateway_servers", "gateway-quiet", str(port), str(tokens)]
        with server(command, port) as pid:
            headers = {"Authorization": f"Bearer {json.loads(tokens.read_text())['calm']}"}
            for name, body in (("resolve", {"context": CONTEXT}), ("serve", {"context": CONTEXT, "input": INPUT})):
                content = request(f"/v1/objectives/noop/{name}", body, headers)
                closed_loop(port, content, count // 4)
                before = cpu_seconds(pid)
                run = closed_loop(port, content, count)
                us = (cpu_seconds(pid) - before) / sum(run.statuses.values()) * 1e6
                yield UnitCost(name=f"{name}, 220 rules", us=us, source="this run")


def cores(rate: float, us: float) -> float:
    """Return the cores for a rate of requests, at the planned utilization."""
    return rate * us / 1e6 / UTILIZATION


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--rate", type=float, default=1e6, help="requests a second of all clients")
    parser.add_argument("--processes", type=int, default=2000, help="client processes")
    parser.add_argument("--users", type=int, default=50_000_000)
    parser.add_argument("--objectives", type=int, default=20)
    parser.add_argument("--measure", action="store_true", help="measure resolve and serve here, in 20 s")
    options = parser.parse_args(arguments)
    population = Population(
        rate=options.rate, processes=options.processes, users=options.users, objectives=options.objectives
    )
    if population.process_rate > MAX_PROCESS_RATE:
        parser.error(
            f"more than {MAX_PROCESS_RATE} requests a second of one process take minutes: give more --processes"
        )
    resolve = page_cost(envoy_costs.RESOLVE, "1 KB")
    if resolve is None:
        parser.error(f"{_PAGE} has no row {envoy_costs.RESOLVE!r}: run `python -m benchmarks.gateway_envoy --write`")
    print(f"{population.rate:,.0f} requests a second; cores at {UTILIZATION:.0%} of their CPU\n")
    print("| CPU of a request | us | source |\n|---|---|---|")
    for payload in PAYLOADS:
        for cost in path_costs(payload):
            print(f"| {cost.name}; {payload} | {cost.us:,.0f} | {cost.source} |")
    for cost in (resolve, REPLICA, SIGNATURE):
        print(f"| {cost.name} | {cost.us:,.0f} | {cost.source} |")
    if options.measure:
        for cost in measure_resolve(4000):
            print(f"| {cost.name} | {cost.us:,.0f} | {cost.source} |", flush=True)
            resolve = cost if cost.name.startswith("resolve") else resolve
    print_resolvers(population, resolve)
    print_planes(population)


def print_resolvers(population: Population, resolve: UnitCost) -> None:
    """Print the load of resolve for each way of caching."""
    print(
        f"\n{population.processes:,} client processes, {population.objectives} objectives, {population.users:,} users "
        f"(Zipf {population.user_skew}), {population.countries} countries, {len(population.devices)} devices\n"
    )
    print("| decisions cached | hits | resolves a second | cores | in the second after all change | MB a process |")
    print("|---|---|---|---|---|---|")
    print(f"| not at all | 0 % | {population.rate:,.0f} | {cores(population.rate, resolve.us):.0f} | the same | 0 |")
    generator = random.Random(1)
    for case in CASES:
        result = simulate(case, population, generator)
        rate = population.rate * (1 - result.hit_rate)
        first = result.first_second_misses * population.processes
        memory = result.entries * ENTRY_BYTES / 2**20
        row = f"{result.hit_rate:.1%} | {rate:,.0f} | {cores(rate, resolve.us):.1f} | {first:,} | {memory:.1f}"
        print(f"| {case.name} | {row} |", flush=True)


def print_planes(population: Population) -> None:
    """Print the cores and the network of the planes that carry payloads."""
    print("\n| what carries the payload | payload | cores | Gbit/s in and out |\n|---|---|---|---|")
    for payload, size in PAYLOADS.items():
        # Each payload comes in once and goes out once.
        gigabits = population.rate * size * 8 / 1e9
        for cost in path_costs(payload):
            needed = cores(population.rate, cost.us)
            print(f"| {cost.name} | {payload} | {needed:,.0f} | {gigabits:,.0f} + {gigabits:,.0f} |")
    print(f"| replicas on Ray, without the stages | 1 KB | {cores(population.rate, REPLICA.us):,.0f} | |")
    print(f"\nEnvoy's memory: {ROUTE_BYTES / 1024:.1f} KB a route, {10_000 * ROUTE_BYTES / 2**20:.0f} MB for 10,000.")


if __name__ == "__main__":
    main()
