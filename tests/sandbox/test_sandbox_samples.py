"""Sample data fits its schema, whatever the schema is, and looks like what its names promise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.sandbox.samples import SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas
from tests.sandbox.served import answer, client, spec
from tests.strategies import examples
from tests.tables import table

_names = st.sampled_from(
    "id name email status count created_at start_date price is_active tags owner url city x".split()
)


def _bounded(low: str, high: str, numbers: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, int]]:
    return st.lists(numbers, max_size=2, unique=True).map(
        lambda found: dict(zip((low, high), sorted(found), strict=False))
    )


_scalars = st.one_of(
    _bounded("minLength", "maxLength", st.integers(0, 30)).map(lambda found: {"type": "string", **found}),
    st.sampled_from(
        "date date-time time email uuid uri hostname ipv4 ipv6 byte binary password duration int32".split()
    ).map(lambda found: {"type": "string", "format": found}),
    st.sampled_from(
        [
            r"^[A-Z]{2}$",
            r"^cmp_[a-z0-9]{8,24}$",
            r"^\d{3}-\d{4}$",
            r"^(a|b)+$",
            r"^[^ ]+$",
            r"[0-9]",
            r"^#[0-9a-fA-F]{6}$",
            r"^([01]\d|2[0-3]):?([0-5]\d)$",
        ]
    ).map(lambda found: {"type": "string", "pattern": found}),
    _bounded("minimum", "maximum", st.integers(-50, 5000)).map(lambda found: {"type": "integer", **found}),
    _bounded("exclusiveMinimum", "maximum", st.integers(0, 5000)).map(lambda found: {"type": "number", **found}),
    st.sampled_from([2, 5, 10, 0.5]).map(lambda step: {"type": "number", "minimum": 3, "multipleOf": step}),
    st.lists(st.sampled_from(["A", "B", 1, None]), min_size=1, unique=True).map(lambda found: {"enum": found}),
    st.just({"type": ["string", "null"]}),
    st.just({"type": "boolean"}),
    st.just({"const": "fixed"}),
    st.just({}),
)


def _bigger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.dictionaries(_names, inner, max_size=5).flatmap(
        lambda found: (
            st.lists(st.sampled_from(sorted(found)), unique=True).map(
                lambda required: {"type": "object", "properties": found, "required": required}
            )
            if found
            else st.just({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1})
        )
    )
    arrays = st.tuples(inner, st.integers(0, 3)).map(
        lambda found: {"type": "array", "items": found[0], "minItems": found[1]}
    )
    unions = st.lists(inner, min_size=1, max_size=3).map(lambda found: {"anyOf": found})
    return st.one_of(
        objects, arrays, unions, st.lists(objects, min_size=1, max_size=2).map(lambda found: {"allOf": found[:1]})
    )


@given(st.recursive(_scalars, _bigger, max_leaves=8), st.integers(0, 40), _names)
@settings(max_examples=examples(150), deadline=None)
def test_every_sample_fits_its_schema(schema: dict[str, Any], index: int, name: str) -> None:
    schemas = Schemas(spec({"/i": {"get": {"responses": answer(schema)}}}))
    value = Sampler(schemas).sample(schema, SampleContext(seed=0, path="x", name=name, index=index))
    assert schemas.faults(schema, value, "", is_write=False) == []


def test_recursive_schemas_come_to_an_end() -> None:
    node = {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer"},
            "child": {"$ref": "#/components/schemas/Node"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        },
    }
    tree = {"type": "object", "required": ["root"], "properties": {"root": {"$ref": "#/components/schemas/Node"}}}
    with client({"/tree": {"get": {"responses": answer(tree)}}}, components={"schemas": {"Node": node}}) as http:
        assert "id" in http.get("/tree").json()["root"]


@table(
    ("schema", "form"),
    [
        ({"type": "string", "format": "uuid"}, r"[0-9a-f-]{36}"),
        ({"type": "integer"}, r"\d+"),
        ({"type": "string", "pattern": "^inv-[0-9]{5}$"}, r"inv-\d{5}"),
        ({"type": "string", "examples": ["cmp_1a2b3c"]}, r"cmp_\d[a-z]\d[a-z]\d[a-z]"),
    ],
)
def test_ids_have_the_form_of_the_description(schema: dict[str, Any], form: str) -> None:
    import re

    item = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": schema, "name": {"type": "string", "examples": ["One", "Two"]}},
    }
    with client({"/things": {"get": {"responses": answer({"type": "array", "items": item})}}}) as http:
        things = http.get("/things").json()
    assert all(re.fullmatch(form, str(thing["id"])) for thing in things)
    assert len({thing["id"] for thing in things}) == len({thing["name"] for thing in things}) == len(things)
    assert [thing["name"] for thing in things[:2]] == ["One", "Two"]
    if "examples" in schema:
        assert things[0]["id"] == schema["examples"][0]


def test_dates_are_in_an_order_that_makes_sense() -> None:
    day = {"type": "string", "format": "date"}
    event = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "integer"}, "start_date": day, "end_date": day},
    }
    with client({"/events": {"get": {"responses": answer({"type": "array", "items": event})}}}) as http:
        assert all(one["start_date"] < one["end_date"] for one in http.get("/events").json())


def test_a_report_is_about_what_was_asked() -> None:
    row = {
        "type": "object",
        "properties": {"campaign_id": {"type": "string"}, "clicks": {"type": "integer"}, "spend": {"type": "number"}},
    }
    report = {
        "type": "object",
        "properties": {"granularity": {"type": "string"}, "rows": {"type": "array", "items": row}, "totals": row},
    }
    campaign = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    from tests.describe import parameter

    many = {"type": "array", "items": {"type": "string"}}
    metrics = parameter("metrics", schema={"type": "array", "items": {"enum": ["clicks", "spend"]}})
    asked = [metrics, parameter("granularity"), parameter("campaign_ids", schema=many)]
    paths = {
        "/campaigns": {"get": {"responses": answer({"type": "array", "items": campaign})}},
        "/reports": {"get": {"parameters": asked, "responses": answer(report)}},
    }
    with client(paths) as http:
        campaigns = [one["id"] for one in http.get("/campaigns").json()]
        everything = http.get("/reports").json()
        assert {one["campaign_id"] for one in everything["rows"]} <= set(campaigns)
        assert everything["totals"]["clicks"] == sum(one["clicks"] for one in everything["rows"])
        some = http.get(
            f"/reports?metrics=clicks&granularity=DAY&campaign_ids={campaigns[2]}&campaign_ids={campaigns[1]}"
        ).json()
        assert some["granularity"] == "DAY"
        assert [one["campaign_id"] for one in some["rows"]] == [campaigns[2], campaigns[1]]
        assert all("spend" not in one for one in some["rows"])
        assert http.get("/reports").json() == everything


def test_a_header_that_tells_how_an_answer_travels_is_never_made_up() -> None:
    text = {"schema": {"type": "string"}}
    headers = {"Content-Encoding": text, "Transfer-Encoding": text, "X-Kind": text}
    paths = {"/i": {"get": {"operationId": "op", "responses": answer({"type": "object"}, headers=headers)}}}
    with client(paths) as http:
        sent = http.get("/i")
    assert sent.json() is not None
    assert sent.headers["x-kind"]
    assert not {"content-encoding", "transfer-encoding"} & set(sent.headers)


@pytest.mark.parametrize("more", [{}, {"examples": [42]}])
def test_an_id_that_is_a_number_is_a_whole_one(more: dict[str, Any]) -> None:
    thing = {"type": "object", "properties": {"id": {"type": "number", **more}, "name": {"type": "string"}}}
    key = {"name": "id", "in": "path", "required": True, "schema": {"type": "number"}}
    paths = {
        "/things": {"get": {"operationId": "list", "responses": answer({"type": "array", "items": thing})}},
        "/things/{id}": {"get": {"operationId": "read", "parameters": [key], "responses": answer(thing)}},
    }
    with client(paths) as http:
        listed = http.get("/things").json()
        assert http.get(f"/things/{listed[-1]['id']}").json() == listed[-1]
    assert all(isinstance(one["id"], int) for one in listed)
