"""The rules of a policy: which are about an operation, which of them decides, and what is no rule."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

import nlapi
from nlapi.errors import UsageError
from nlapi.openapi.spec import Spec
from nlapi.tools.rules import PolicyRule, Ruling, deciding_rule, field_filter, parse_field_rules, parse_rules, unmatched


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


@pytest.mark.parametrize(
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


def test_an_api_is_known_by_any_of_its_names() -> None:
    (rule,) = rules({"verdict": "deny", "api": "shop*"})
    assert rule.applies_to_api(("openapi.json", "Shop of ours"))
    assert not rule.applies_to_api(("the shop",))
    assert rules({"verdict": "deny"})[0].applies_to_api(("anything",))


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"rule": []}, "policy.toml: 'rule' is not known"),
        ({"rules": {"verdict": "deny"}}, "rules is not a list"),
        ({"rules": ["deny"]}, "policy.toml, rule 1 is not a table"),
        ({"rules": [{"verdict": "allow"}, {"verdict": "forbid"}]}, "rule 2: the verdict 'forbid' is not known"),
        ({"rules": [{"operation": "delete*"}]}, "there is no verdict"),
        ({"rules": [{"verdict": "deny", "operations": "delete*"}]}, "'operations' is not known"),
        ({"rules": [{"verdict": "deny", "effect": "change"}]}, "the effect 'change' is not known"),
        ({"rules": [{"verdict": "deny", "operation": 3}]}, "rule 1: operation is not a text or a list of texts"),
        ({"rules": [{"verdict": "deny", "api": []}]}, "rule 1: api is not a text or a list of texts"),
        ({"rules": [{"verdict": ["deny"]}]}, "the verdict ['deny'] is not known"),
    ],
)
def test_what_is_no_rule_is_named_with_its_place(document: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_rules(document, "policy.toml")
    assert says in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_glob_that_matches_no_operation_is_named_with_the_nearest(ads: Spec) -> None:
    found = rules({"verdict": "deny", "api": "ads", "operation": ["deleteCampain", "delete*"]}, {"verdict": "ask"})
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


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, "there is neither hide nor show"),
        ({"hide": "x", "verdict": "deny"}, "'verdict' is not known"),
        ({"hide": []}, "hide is not a text or a list of texts"),
        ({"hide": "$.a["}, "is no JSONPath"),
        ({"hide": "x", "effect": "look"}, "the effect 'look' is not known"),
        ("hide", "is not a table"),
    ],
)
def test_what_is_no_rule_on_fields_is_named(entry: object, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_field_rules({"fields": [entry]}, "policy.toml")
    assert "policy.toml, fields 1" in str(caught.value)
    assert says in str(caught.value)
