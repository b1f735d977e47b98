"""The rules of a policy: which are about an operation, which of them decides, and what is no rule."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

import nlapi
from nlapi.errors import UsageError
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.rules import (
    ApiIdentity,
    PolicyRule,
    Ruling,
    bind_rules,
    deciding_rule,
    field_filter,
    identify,
    parse_field_rules,
    parse_rules,
    unmatched,
)
from tests.tables import table


@pytest.fixture(scope="module")
def ads() -> Spec:
    return nlapi.load("ads")


def rules(*entries: dict[str, Any]) -> tuple[PolicyRule, ...]:
    return parse_rules({"rules": list(entries)}, "policy.toml")


def decided(spec: Spec, operation: str, *entries: dict[str, Any]) -> str:
    rule = deciding_rule(rules(*entries), spec.operation(operation))
    return rule.verdict if rule is not None else "nothing"


def test_the_most_restrictive_rule_decides_in_any_order(ads: Spec) -> None:
    three = [{"verdict": "allow"}, {"verdict": "ask", "effect": "destroy"}, {"verdict": "deny", "operation": "delete*"}]
    for order in permutations(three):
        assert decided(ads, "deleteCampaign", *order) == "deny"
        assert decided(ads, "createCampaign", *order) == "allow"
    assert decided(ads, "deleteCampaign", *three[:2]) == "ask"
    assert decided(ads, "deleteCampaign") == "nothing"


@table(
    ("entry", "operation", "matches"),
    [
        ({"operation": "delete*"}, "deleteCampaign", True),
        ({"operation": "DELETE*"}, "deleteCampaign", True),
        ({"operation": "delete*"}, "createCampaign", False),
        ({"operation": ["update*", "create*"]}, "createCampaign", True),
        ({"effect": "write"}, "createCampaign", True),
        ({"effect": "write"}, "deleteCampaign", False),
        ({"effect": ["write", "destroy"]}, "deleteCampaign", True),
        ({"effect": "read"}, "listCampaigns", True),
        ({"operation": "*Campaign", "effect": "destroy"}, "createCampaign", False),
        ({"operation": "[d]eleteCampaign"}, "deleteCampaign", False),
    ],
)
def test_operation_and_effect_both_have_to_match(
    ads: Spec, entry: dict[str, Any], operation: str, matches: bool
) -> None:
    assert (decided(ads, operation, {"verdict": "deny", **entry}) == "deny") is matches


def shop(title: str = "Shop", source: str = "/home/me/shop.json", server: str = "https://api.shop.example/v1") -> Spec:
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": server}],
        "paths": {"/orders": {"post": {"operationId": "createOrder", "responses": {}}}},
    }
    return parse_document(read_document(json.dumps(document).encode(), source))


def is_bound(entry: dict[str, Any], spec: Spec, *names: str) -> bool:
    (rule,) = bind_rules(rules({"verdict": "deny", **entry}), ApiIdentity(spec=spec, names=names))
    return rule.is_bound


def test_an_api_is_known_by_its_registration_and_by_its_source() -> None:
    assert is_bound({"api": "sho*"}, shop(), "shop")
    assert is_bound({"api": "/home/me/shop.json"}, shop())
    assert is_bound({"api": "*/SHOP.json"}, shop())
    assert is_bound({}, shop("anything"))
    assert not is_bound({"api": "the shop"}, shop(), "shop")


@table("verdict", ["deny", "ask", "allow"])
def test_a_rule_that_goes_by_a_title_is_refused_and_says_what_to_write(verdict: str) -> None:
    for identity, instead in (
        (ApiIdentity(spec=shop("My Shop"), names=("mine",)), "mine"),
        (ApiIdentity(spec=shop("My Shop"), same_source=("theirs",)), "theirs"),
        (ApiIdentity(spec=shop("My Shop")), "https://api.shop.example"),
    ):
        for glob in ("My Shop", "my s*", ["other", "My Shop"]):
            with pytest.raises(UsageError, match=r"policy.toml, rule 1 .* is the title of") as refused:
                bind_rules(rules({"verdict": verdict, "api": glob}), identity)
            assert f'write "{instead}"' in str(refused.value)


def test_a_rule_on_fields_that_goes_by_a_title_is_refused() -> None:
    entries = parse_field_rules({"fields": [{"api": "Shop", "hide": "email"}]}, "policy.toml")
    with pytest.raises(UsageError, match=r"policy.toml, fields 1 .*'Shop' is the title of"):
        bind_rules(entries, ApiIdentity(spec=shop()))


@table(
    ("glob", "site", "applies"),
    [
        ("https://api.shop.example", "https://api.shop.example", True),
        ("https://API.shop.example:443/", "https://api.shop.example", True),
        ("https://*.shop.example", "https://api.shop.example", True),
        ("http://127.0.0.1:*", "http://127.0.0.1:8000", True),
        ("https://api.shop.example", "https://api.shop.example.", True),
        ("https://*.shop.example", "https://api.shop.example.", True),
        ("http://127.0.0.1:8000", "http://127.1:8000", True),
        ("http://2130706433:8000", "http://[::ffff:127.0.0.1]:8000", True),
        ("https://api.shop.example", "http://api.shop.example", False),
        ("https://api.shop.example", "https://api.shop.example.evil.example", False),
        ("https://api.shop.example", "https://api.shop.example:8443", False),
        ("*shop*", "https://api.shop.example", False),
    ],
)
def test_an_origin_is_where_the_request_goes(glob: str, site: str, applies: bool) -> None:
    spec = shop("other")
    bound = bind_rules(rules({"verdict": "allow", "api": glob}), ApiIdentity(spec=spec))
    assert (deciding_rule(bound, spec.operation("createOrder"), site=site) is not None) is applies


@table(
    ("glob", "source"),
    [
        ("shop.json", "shop.json"),
        ("*shop*", "/tmp/their/shop.json"),
        ("*shop*", "https://evil.example/shop.json"),
        ("https://api.shop.example", "https://api.shop.example"),
        ("https://api.shop.example/*", "/tmp/https:/api.shop.example/x"),
    ],
)
def test_nothing_else_takes_up_what_a_rule_allows(glob: str, source: str) -> None:
    spec = shop("other", source, "http://127.0.0.1:9")
    bound = bind_rules(rules({"verdict": "allow", "api": glob}), ApiIdentity(spec=spec))
    assert deciding_rule(bound, spec.operation("createOrder"), site="http://127.0.0.1:9") is None


def test_what_holds_back_reads_holds_back_a_read_that_an_argument_makes_a_change(ads: Spec) -> None:
    (deny,), (allow,) = (rules({"verdict": verdict, "effect": "read"}) for verdict in ("deny", "allow"))
    listing = ads.operation("listCampaigns")
    assert deny.applies_to(listing, Effect.WRITE)
    assert not allow.applies_to(listing, Effect.WRITE)


@table(
    ("document", "says"),
    [
        ({"rule": []}, "policy.toml: 'rule' is not known"),
        ({"rules": {"verdict": "deny"}}, "rules is not a list"),
        ({"rules": ["deny"]}, "policy.toml, rule 1 is not a table"),
        ({"rules": [{"verdict": "allow"}, {"verdict": "forbid"}]}, "rule 2: the verdict 'forbid' is not known"),
        ({"rules": [{"operation": "delete*"}]}, "there is no verdict"),
        ({"rules": [{"verdict": "deny", "operations": "delete*"}]}, "'operations' is not known"),
        ({"rules": [{"verdict": "deny", "effect": "change"}]}, "the effect 'change' is not known"),
        ({"rules": [{"verdict": "deny", "operation": 3}]}, "rule 1: operation is not text or a list of texts"),
        ({"rules": [{"verdict": "deny", "api": []}]}, "rule 1: api is not text or a list of texts"),
        ({"rules": [{"verdict": ["deny"]}]}, "the verdict ['deny'] is not known"),
    ],
)
def test_what_is_no_rule_is_named_with_its_place(document: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_rules(document, "policy.toml")
    assert says in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_glob_that_matches_no_operation_is_named_with_the_nearest(ads: Spec) -> None:
    entries = {"verdict": "deny", "api": "ads", "operation": ["deleteCampain", "delete*"]}, {"verdict": "ask"}
    found = bind_rules(rules(*entries), identify(ads))
    (warning,) = unmatched(found, ads.operations)
    assert warning.startswith("policy.toml, rule 1: no operation is called 'deleteCampain'")
    assert "deleteCampaign" in warning


def test_a_rule_for_every_api_may_match_nothing_in_this_one(ads: Spec) -> None:
    assert not list(unmatched(rules({"verdict": "deny", "operation": "nothing*"}), ads.operations))


def test_a_rule_is_told_as_it_is_written() -> None:
    (rule,) = rules({"verdict": "deny", "api": "ads", "operation": ["a*", "b*"]})
    assert (str(rule), rule.verdict, rule.location) == (
        "deny api ads, operation a* or b*",
        Ruling.DENY,
        "policy.toml, rule 1",
    )


def test_rules_on_fields_add_up(ads: Spec) -> None:
    entries = [
        {"hide": "email"},
        {"operation": "list*", "show": ["id", "name"], "hide": ["ssn"]},
        {"operation": "get*", "hide": "phone"},
    ]
    parsed = parse_field_rules({"fields": entries}, "policy.toml")
    listed = field_filter(parsed, ads.operation("listCampaigns"))
    assert (listed.hidden, listed.shown) == (("email", "ssn"), ("id", "name"))
    assert not field_filter(parsed[2:], ads.operation("listCampaigns"))
    assert parse_rules({"fields": entries}, "policy.toml") == ()


@table(
    ("entry", "says"),
    [
        ({}, "there is neither hide nor show"),
        ({"hide": "x", "verdict": "deny"}, "'verdict' is not known"),
        ({"hide": []}, "hide is not text or a list of texts"),
        ({"hide": "$.a["}, "is not a JSONPath"),
        ({"hide": "x", "effect": "look"}, "the effect 'look' is not known"),
        ("hide", "is not a table"),
    ],
)
def test_what_is_no_rule_on_fields_is_named(entry: object, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_field_rules({"fields": [entry]}, "policy.toml")
    assert "policy.toml, fields 1" in str(caught.value)
    assert says in str(caught.value)


def test_what_a_description_states_of_a_delete_escapes_no_rule_about_deletions() -> None:
    responses = {"responses": {"200": {"description": "ok"}}}
    item = {"delete": {"operationId": "dropItem", "x-nlapi-effect": "write", **responses}}
    tree = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/items": item}}
    spec = parse_document(read_document(json.dumps(tree).encode(), "t.json"))
    assert decided(spec, "dropItem", {"verdict": "deny", "effect": "destroy"}) == "deny"
    assert decided(spec, "dropItem", {"verdict": "allow", "effect": "destroy"}) == "nothing"
