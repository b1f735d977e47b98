"""Values of answers as people read them, in sentences and in tables."""

from __future__ import annotations

from typing import Any

from nlapi.tools.quantities.value_format import column_labels, format_cell, format_value, is_shown_as_money
from tests.describe import operation
from tests.tables import table

DIGEST = "sha256:d74508fb6632491cea586a1fd7d748dfc5274cd6fdfedee309ecdcbc2bf5cb82"


@table(
    ("path", "value", "cell"),
    [
        ("active", True, "yes"),
        ("owner", None, ""),
        ("tags", [], ""),
        ("title", {"rendered": "Hello", "protected": False}, "Hello"),
        ("status", {"self": "https://j/3", "id": "3", "name": "In Progress"}, "In Progress"),
        ("tags", ["a", "b"], "a, b"),
        ("tags", list("abcdefg"), "a, b, c, d, e, … (7)"),
        ("Names", ["/web"], "web"),
        ("labels", {"app": "web", "tier": "front"}, "app=web, tier=front"),
        ("labels", [{"id": 1, "name": "bug"}, {"id": 2, "name": "ui"}], "bug, ui"),
        ("ports", [{"PrivatePort": 80, "Type": "tcp"}], "PrivatePort=80, Type=tcp"),
        ("points", [{"x": 1}, {"x": 2}, {"x": 3}], "3 entries"),
        ("matrix", [[1, 2], [3]], "2 lists"),
        ("created_at", "2026-05-01T08:30:12.123Z", "2026-05-01 08:30"),
        ("created_at", "2026-05-01T08:30:12+02:00", "2026-05-01 08:30 +02:00"),
        ("created_at", "2026-05-01T08:30:12.123456789Z", "2026-05-01 08:30"),
        ("date_created", "Thu, 01 May 2026 08:30:12 +0000", "2026-05-01 08:30"),
        ("created", 1777622400, "2026-05-01 08:00"),
        ("createdAt", 1777622400000, "2026-05-01 08:00"),
        ("size", 1777622400, "1777622400"),
        ("Id", DIGEST, "sha256:d74508fb6632…"),
        ("price", 12.345, "12.35"),
        ("budget_micros", 12_500_000, "12.50"),
        ("day", "2026-05-01", "2026-05-01"),
    ],
)
def test_a_cell_is_short_text(path: str, value: Any, cell: str) -> None:
    assert format_cell(None, path, value) == cell


@table(
    ("path", "value", "text"),
    [
        ("clicks", 35436, "35,436"),
        ("id", 35436, "35436"),
        ("account_id", 35436, "35436"),
        ("port", 50432, "50432"),
        ("created_at", "2026-05-01T08:30:12Z", "2026-05-01 08:30 UTC"),
        ("created", 1777622400, "2026-05-01 08:00 UTC"),
        ("owner", {"login": "ada", "id": 1}, "ada"),
    ],
)
def test_a_sentence_groups_what_counts_and_names_the_zone(path: str, value: Any, text: str) -> None:
    assert format_value(None, path, value) == text


def test_an_amount_is_in_the_unit_and_the_currency_of_its_thing() -> None:
    price = {"type": "integer", "x-nlapi": {"unit": "cents"}}
    share = {"type": "number", "x-nlapi": {"unit": "fraction"}}
    item = {"type": "object", "properties": {"attributes": {"properties": {"price": price, "share": share}}}}
    schema = {"type": "object", "properties": {"data": {"type": "array", "items": item}}}
    answers = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
    described = operation({"operationId": "list", "responses": answers}, path="/products")
    assert format_cell(described, "price", 2550, {"price": 2550, "currency": "EUR"}) == "25.50 EUR"
    # The smallest unit of a yen is a yen, and of a dinar a thousandth.
    assert format_cell(described, "price", 2550, {"price": 2550, "currency": "jpy"}) == "2,550 jpy"
    assert format_cell(described, "price", 2551, {"price": 2551, "currency": "KWD"}) == "2.551 KWD"
    assert format_cell(described, "share", 0.125) == "12.5%"


def test_columns_are_called_by_the_end_of_their_path() -> None:
    paths = ["metadata.name", "status.phase", "owner.name", "budget_micros", "price_micros", "price"]
    labels = ["metadata.name", "phase", "owner.name", "budget", "price_micros", "price"]
    assert column_labels(paths, paths) == labels
    assert column_labels(["amount_cents", "feeCents", "percent", "accents"], ["amount_cents", "feeCents"]) == [
        *("amount", "fee", "percent", "accents")
    ]
    # What is shown as it is keeps its name: 2,500 below `amount` would be taken for 2,500 of the currency.
    assert column_labels(["amount_cents"]) == ["amount_cents"]
    assert is_shown_as_money(None, "budget_micros", [1_000_000, None])
    assert not is_shown_as_money(None, "budget_micros", ["1000000"])
