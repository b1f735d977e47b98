"""The file of a team's server: what it says, and what is wrong in it, with the line."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nlapi import bundled
from nlapi.errors import UsageError
from nlapi.mcp.settings import Consent
from nlapi.mcp.team import SCHEMA, line_of, parse_team
from nlapi.openapi.spec import Effect
from tests.tables import table

TEAM = """\
[server]
http = "127.0.0.1:8000"
ttl_seconds = 60

[apis.ads]
source = "ads"
auth = { bearer = "env:ADS_READ" }
change_auth = { bearer = "env:ADS_WRITE" }

[apis.notes]
source = "notes.json"
prefix = "n_"

[roles.reader]
effects = ["read"]
calls_per_minute = 60

[roles.operator]
apis = ["ads"]
consent = "client"
exclude = ["id:delete*"]

[[roles.operator.rules]]
operation = "publish*"
verdict = "ask"

[[roles.operator.fields]]
hide = ["*email*"]

[clients.ann]
token = "env:ANN"
role = "operator"

[clients."bo@team"]
token = "env:BO"
role = "reader"
"""


def test_a_file_says_who_may_do_what_with_which_api() -> None:
    team = parse_team(TEAM, "team.toml")
    assert [(api.name, api.prefix) for api in team.apis] == [("ads", "ads_"), ("notes", "n_")]
    assert team.roles["reader"].effects == {Effect.READ}
    operator = team.roles["operator"]
    assert (operator.apis, operator.consent, operator.exclude) == (("ads",), Consent.CLIENT, ("id:delete*",))
    assert str(operator.rules[0]) == "ask operation publish*"
    assert operator.field_rules[0].hide == ("*email*",)
    assert [(client.name, client.role) for client in team.clients] == [("ann", "operator"), ("bo@team", "reader")]
    assert (team.http, team.ttl_seconds, team.role) == ("127.0.0.1:8000", 60, "")


def test_one_api_has_a_prefix_too_and_without_roles_everyone_may_do_all() -> None:
    team = parse_team('[apis.ads]\nsource = "ads"\n', "team.toml")
    assert (team.apis[0].prefix, team.role, list(team.roles)) == ("ads_", "everyone", ["everyone"])
    assert team.roles["everyone"].effects == set(Effect)


@table(
    ("old", "new", "line", "says"),
    [
        ('source = "ads"', 'sources = "ads"', 6, "'sources' is not known; there is source,"),
        ("calls_per_minute = 60", 'calls_per_minute = "60"', 16, "'60' is not of type 'integer'"),
        ("calls_per_minute = 60", "calls_per_minute = 0", 16, "less than the minimum"),
        ('effects = ["read"]', 'effects = ["look"]', 15, "'look' is not one of"),
        ('role = "reader"', 'role = "boss"', 36, "no role is called 'boss'; there is reader, operator"),
        ('apis = ["ads"]', 'apis = ["add"]', 19, "no api is called 'add'; there is ads, notes"),
        ('prefix = "n_"', 'prefix = "a"', 12, "'a' begins the prefix of another API"),
        ('verdict = "ask"', 'verdict = "never"', 25, "'never' is not one of"),
        ('hide = ["*email*"]', 'hide = ["$.a["]', 18, "is not a JSONPath"),
        ("[server]", "[servers]", 1, "'servers' is not known"),
        ('role = "operator"', 'role = "operator"\nage = 7', 33, "'age' is not known; there is token, subject, role"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_team(TEAM.replace(old, new, 1), "team.toml")
    assert f"team.toml, line {line}" in str(caught.value), str(caught.value)
    assert says in str(caught.value)


def test_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"team\.toml is not TOML: .*line 2"):
        parse_team("[apis]\nads = \n", "team.toml")


def test_a_secret_in_the_file_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse_team(TEAM.replace("env:ANN", "tok-5b7e-ann"), "team.toml")
    assert "line 31: clients.ann.token: is not a reference to a variable" in str(caught.value)
    assert "tok-5b7e" not in str(caught.value)


def test_the_published_schema_is_the_one_that_is_used() -> None:
    schema = json.loads(bundled.text(SCHEMA))
    Draft202012Validator.check_schema(schema)
    assert list(Draft202012Validator(schema).iter_errors(tomllib.loads(TEAM))) == []


@given(st.text(alphabet='abz=[]."# \n', max_size=60), st.lists(st.sampled_from(["a", "b", "z"]), max_size=3))
def test_a_line_is_always_one_of_the_text(text: str, path: list[str]) -> None:
    assert 1 <= line_of(text, tuple(path)) <= max(1, len(text.splitlines()))
