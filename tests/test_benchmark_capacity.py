"""The page of what a request costs is where the capacity is computed from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import capacity, envoy_costs
from benchmarks.envoy_costs import Cost

NAMES = st.text("abcdefghij,' 0123456789", min_size=1).map(str.strip).filter(bool)
COSTS = st.builds(
    Cost,
    us=st.integers(1, 10_000_000).map(float),
    multiple=st.floats(0.01, 1000),
    p50=st.floats(0.1, 1000),
    p99=st.just(0.0) | st.floats(0.1, 1000),
)


@given(st.dictionaries(NAMES, st.tuples(COSTS, COSTS), min_size=1))
def test_what_is_written_is_read_again(rows: dict[str, tuple[Cost, Cost]]) -> None:
    costs = {name: {"1 KB": pair[0], "1.3 MB": pair[1]} for name, pair in rows.items()}
    table = envoy_costs.cost_table(["1 KB", "1.3 MB"], costs)
    page = f"# A page\n\n{envoy_costs.HEADING}\n\nMedians, with a load of 8.\n\n{table}\n\n| another | table |\n"
    expected = {name: {payload: cost.us for payload, cost in row.items()} for name, row in costs.items()}
    assert envoy_costs.parse_costs(page) == expected
    with pytest.raises(ValueError, match="has no table"):
        envoy_costs.parse_costs(table)


def test_the_page_has_what_the_capacity_is_computed_from() -> None:
    for payload in capacity.PAYLOADS:
        plain, signed, *others = capacity.path_costs(payload)
        assert plain.us > 0
        assert signed.us > 0
        assert all(other.us > signed.us for other in others)
    assert capacity.page_cost(envoy_costs.RESOLVE, "1 KB")
