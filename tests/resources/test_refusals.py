"""The fields that an API names when it refuses a request."""

from __future__ import annotations

from typing import Any

from nlapi.resources.refusals import refused_fields

# Errors as the frameworks and APIs write them, with the fields that they are about.
FORMS: list[tuple[Any, list[tuple[str, ...]]]] = [
    ({"detail": [{"loc": ["body", "start_date"], "msg": "Field required", "type": "missing"}]}, [("start_date",)]),
    ({"detail": [{"loc": ["body", "budget", "amount"], "msg": "Field required"}]}, [("budget", "amount")]),
    (
        {"type": "about:blank", "status": 422, "errors": [{"detail": "is required", "pointer": "#/region"}]},
        [("region",)],
    ),
    ({"title": "Bad", "invalid-params": [{"name": "age", "reason": "must be positive"}]}, [("age",)]),
    ({"errors": [{"source": {"pointer": "/data/attributes/title"}, "detail": "can't be blank"}]}, [("title",)]),
    ({"errors": [{"source": {"parameter": "limit"}, "title": "invalid"}]}, [("limit",)]),
    ({"errors": {"title": ["can't be blank"], "author": ["must exist"]}}, [("title",), ("author",)]),
    ({"errors": {"title": "can't be blank"}}, [("title",)]),
    ({"title": ["This field is required."]}, [("title",)]),
    (
        {"title": "One or more validation errors occurred.", "status": 400, "errors": {"Name": ["required"]}},
        [("Name",)],
    ),
    (
        {"error": {"code": 400, "details": [{"fieldViolations": [{"field": "page.size", "description": "too big"}]}]}},
        [("page", "size")],
    ),
    ({"error": {"code": "parameter_missing", "param": "currency", "message": "Missing"}}, [("currency",)]),
    (
        {"message": "Validation Failed", "errors": [{"resource": "Issue", "field": "title", "code": "missing"}]},
        [("title",)],
    ),
    ({"violations": [{"propertyPath": "items[0].name", "message": "blank"}]}, [("items", "name")]),
    ({"error": {"code": "InvalidParameter", "message": "Invalid.", "target": "sku"}}, [("sku",)]),
    ({"errors": {"day": {"kind": "required", "message": "Path `day` is required."}}}, [("day",)]),
    ({"message": "not found"}, []),
    ({"name": "Ada", "id": 7}, []),
    ("no", []),
    (None, []),
]


def test_every_form_names_its_fields() -> None:
    for data, paths in FORMS:
        assert [field.path for field in refused_fields(data)] == paths, data


def test_a_hostile_error_has_an_end() -> None:
    deep: Any = {"field": "a"}
    for _ in range(5_000):
        deep = {"errors": [deep]}
    assert refused_fields(deep) == ()
    assert len(refused_fields({"errors": [{"field": f"f{number}"} for number in range(10_000)]})) <= 50
