"""Credentials: which alternative is used, what it adds, and where it may go."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlapi
from nlapi.client.auth import authorize, is_same_api
from nlapi.client.masking import redact
from nlapi.client.message import Request
from nlapi.errors import CredentialError
from nlapi.openapi.spec import Operation

SCHEMES = {
    "headerKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "queryKey": {"type": "apiKey", "in": "query", "name": "api key"},
    "cookieKey": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "bearerAuth": {"type": "http", "scheme": "Bearer"},
    "basicAuth": {"type": "http", "scheme": "basic"},
    "hoba": {"type": "http", "scheme": "hoba"},
    "oauth": {"type": "oauth2", "flows": {}},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://x.test/"},
    "mtls": {"type": "mutualTLS"},
    "sameKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "sameCookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "otherQuery": {"type": "apiKey", "in": "query", "name": "API KEY"},
}

Make = Callable[..., Operation]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """An operation with this `security`, of an API at https://api.test."""

    def make(*security: dict[str, list[str]], **operation: Any) -> Operation:
        file = tmp_path / "api.json"
        document = {
            "openapi": "3.1.0",
            "info": {"title": "T", "version": "1"},
            "servers": [
                {"url": "https://api.test/v1"},
                {"url": "https://{region}.api.test", "variables": {"region": {"default": "eu"}}},
            ],
            "components": {"securitySchemes": SCHEMES},
            "paths": {"/a": {"get": {"operationId": "getA", "security": list(security), **operation}}},
        }
        file.write_text(json.dumps(document))
        return nlapi.load(file).operation("getA")

    return make


def request(url: str = "https://api.test/v1/a", *headers: tuple[str, str]) -> Request:
    return Request(method="GET", url=url, headers=headers)


@pytest.mark.parametrize(
    ("scheme", "credential", "header"),
    [
        ("headerKey", "k1", ("X-API-Key", "k1")),
        ("cookieKey", "k1", ("Cookie", "sid=k1")),
        ("bearerAuth", "tok", ("Authorization", "Bearer tok")),
        ("bearerAuth", "Bearer tok", ("Authorization", "Bearer tok")),
        ("bearerAuth", "bearer  tok ", ("Authorization", "Bearer tok")),
        ("oauth", "tok", ("Authorization", "Bearer tok")),
        ("oidc", "tok", ("Authorization", "Bearer tok")),
        ("hoba", "tok", ("Authorization", "Hoba tok")),
        ("basicAuth", "zoë:p:w", ("Authorization", "Basic " + b64encode("zoë:p:w".encode()).decode())),
        ("basicAuth", "Basic dTpw", ("Authorization", "Basic dTpw")),
        ("basicAuth", "key:", ("Authorization", "Basic a2V5Og==")),
    ],
)
def test_each_kind_of_scheme_adds_its_header(make: Make, scheme: str, credential: str, header: tuple[str, str]) -> None:
    authorized = authorize(request(), make({scheme: []}), {scheme: credential})
    assert authorized.request.headers == (header,)
    assert authorized.schemes == (scheme,)


def test_a_key_in_the_query_is_encoded_and_takes_the_place_of_one_that_was_there(make: Make) -> None:
    before = request("https://api.test/v1/a?x=a%2Cb&api+key=old&y=[1]")
    authorized = authorize(before, make({"queryKey": []}), {"queryKey": "a&b=c/d é"})
    assert authorized.request.url == "https://api.test/v1/a?x=a%2Cb&y=[1]&api%20key=a%26b%3Dc%2Fd%20%C3%A9"


def test_a_key_in_a_cookie_joins_the_cookies_of_the_request(make: Make) -> None:
    before = request("https://api.test/a", ("Cookie", "theme=dark; sid=old"), ("X", "1"))
    authorized = authorize(before, make({"cookieKey": []}), {"cookieKey": "new"})
    assert authorized.request.headers == (("X", "1"), ("Cookie", "theme=dark; sid=new"))


def test_a_credential_replaces_a_header_of_the_same_name(make: Make) -> None:
    before = request("https://api.test/a", ("authorization", "made up"))
    assert authorize(before, make({"bearerAuth": []}), {"bearerAuth": "t"}).request.headers == (
        ("Authorization", "Bearer t"),
    )


def test_the_first_alternative_with_every_credential_is_used(make: Make) -> None:
    operation = make({"headerKey": [], "oauth": ["read"]}, {"queryKey": []}, {"bearerAuth": []})
    credentials = {"bearerAuth": "b", "headerKey": "h"}
    assert authorize(request(), operation, credentials).schemes == ("bearerAuth",)
    both = authorize(request(), operation, {**credentials, "oauth": "o"})
    assert both.schemes == ("headerKey", "oauth")
    assert both.request.headers == (("X-API-Key", "h"), ("Authorization", "Bearer o"))


def test_no_credential_is_fine_where_anonymous_is_allowed_but_one_that_is_there_is_used(make: Make) -> None:
    operation = make({}, {"bearerAuth": []})
    assert authorize(request(), operation, {}).request == request()
    assert authorize(request(), operation, {"bearerAuth": "b"}).schemes == ("bearerAuth",)


def test_an_operation_without_security_gets_nothing(make: Make) -> None:
    authorized = authorize(request(), make(), {"bearerAuth": "b"})
    assert (authorized.request, authorized.secrets) == (request(), ())


def test_a_missing_credential_names_the_ways_in(make: Make) -> None:
    with pytest.raises(CredentialError) as caught:
        authorize(request(), make({"headerKey": [], "oauth": []}, {"bearerAuth": []}), {"headerKey": "h"})
    assert caught.value.message == (
        "getA needs a credential: headerKey (API key in the header X-API-Key) and oauth (access token) "
        "or bearerAuth (bearer token)"
    )
    options = "--auth headerKey=env:NAME --auth oauth=env:NAME, or --auth bearerAuth=env:NAME"
    assert caught.value.hint.startswith(f"{options}, where NAME is the environment variable that holds it")
    assert caught.value.hint.endswith("--no-auth if the API takes none (in Python: auth)")


def test_a_scheme_that_is_not_there_is_named_with_those_that_are(make: Make) -> None:
    with pytest.raises(CredentialError, match="no security scheme 'token'") as caught:
        authorize(request(), make(), {"token": "SECRET"})
    assert "bearerAuth" in caught.value.hint
    assert "SECRET" not in str(caught.value)


def test_mutual_tls_is_not_supported_but_another_way_in_is_taken(make: Make) -> None:
    with pytest.raises(CredentialError, match="mutual TLS"):
        authorize(request(), make({"mtls": []}), {"mtls": "x"})
    assert authorize(request(), make({"mtls": []}, {"oauth": []}), {"mtls": "x", "oauth": "t"}).schemes == ("oauth",)


@pytest.mark.parametrize("bad", ["SECRET\r\nX-Evil: 1", "SECRET\n", "SEC\0RET", "SECRET\x1b[0m", "SECRET\ud800"])
@pytest.mark.parametrize("scheme", ["headerKey", "queryKey", "cookieKey", "bearerAuth", "basicAuth"])
def test_a_credential_with_a_line_break_is_refused_without_showing_it(make: Make, scheme: str, bad: str) -> None:
    with pytest.raises(CredentialError, match="control character") as caught:
        authorize(request(), make({scheme: []}), {scheme: bad})
    assert "SEC" not in str(caught.value)


def test_other_bad_credentials_are_refused(make: Make) -> None:
    for scheme, bad in (("bearerAuth", "  "), ("basicAuth", "SECRET"), ("cookieKey", "SECRET; admin=1")):
        with pytest.raises(CredentialError) as caught:
            authorize(request(), make({scheme: []}), {scheme: bad})
        assert "SECRET" not in str(caught.value)


# Schemes of one requirement that go to one location

TWICE = (
    ({"oauth": [], "oidc": []}, ("Authorization", "Bearer tok")),
    ({"oidc": [], "bearerAuth": [], "oauth": []}, ("Authorization", "Bearer tok")),
    ({"headerKey": [], "sameKey": []}, ("X-API-Key", "tok")),
    ({"sameKey": [], "headerKey": []}, ("x-api-key", "tok")),
    ({"cookieKey": [], "sameCookie": []}, ("Cookie", "sid=tok")),
)


@pytest.mark.parametrize(("requirement", "header"), TWICE)
def test_schemes_of_one_location_are_one_credential_under_any_of_their_names(
    make: Make, requirement: dict[str, list[str]], header: tuple[str, str]
) -> None:
    operation = make(requirement)
    for name in requirement:
        authorized = authorize(request(), operation, {name: "tok"})
        assert (authorized.request.headers, authorized.schemes) == ((header,), (name,))
    every = authorize(request(), operation, dict.fromkeys(requirement, "tok"))
    assert every.request.headers == (header,)


def test_a_prefix_makes_no_other_credential(make: Make) -> None:
    given = {"oauth": "tok", "bearerAuth": "Bearer tok"}
    authorized = authorize(request(), make({"oauth": [], "bearerAuth": []}), given)
    assert authorized.request.headers == (("Authorization", "Bearer tok"),)


def test_one_credential_with_two_values_is_refused(make: Make) -> None:
    with pytest.raises(CredentialError, match="oauth and oidc are one credential of getA") as caught:
        authorize(request(), make({"oauth": [], "oidc": []}), {"oauth": "SECRET1", "oidc": "SECRET2"})
    assert caught.value.hint == "give it once: --auth oauth=env:NAME"
    assert "SECRET" not in str(caught.value)


def test_it_is_asked_for_once(make: Make) -> None:
    operation = make({"oauth": ["read"], "oidc": ["read"]}, {"oauth": ["write"], "oidc": ["write"]})
    with pytest.raises(CredentialError) as caught:
        authorize(request(), operation, {})
    assert caught.value.message == "getA needs a credential: oauth (access token)"


def test_names_of_query_keys_and_cookies_are_told_apart_by_case(make: Make) -> None:
    with pytest.raises(CredentialError, match="otherQuery"):
        authorize(request(), make({"queryKey": [], "otherQuery": []}), {"queryKey": "tok"})


def test_only_a_token_of_another_kind_stands_in_for_a_token(make: Make) -> None:
    operation = make({"oauth": []})
    assert authorize(request(), operation, {"oidc": "tok"}).request.header("authorization") == "Bearer tok"
    for id, value in (("basicAuth", "a:b"), ("headerKey", "k")):
        with pytest.raises(CredentialError, match="needs a credential: oauth"):
            authorize(request(), operation, {id: value})


def test_two_forms_for_one_header_are_alternatives(make: Make) -> None:
    operation = make({"bearerAuth": [], "basicAuth": [], "headerKey": []})
    for name, value, sent in (("bearerAuth", "tok", "Bearer tok"), ("basicAuth", "a:b", "Basic YTpi")):
        authorized = authorize(request(), operation, {name: value, "headerKey": "k"})
        assert dict(authorized.request.headers) == {"Authorization": sent, "X-API-Key": "k"}
    with pytest.raises(CredentialError) as caught:
        authorize(request(), operation, {"headerKey": "k"})
    assert " and headerKey" in caught.value.message and " or basicAuth (USER:PASSWORD) and" in caught.value.message


def test_what_is_given_beyond_an_alternative_is_used_where_a_larger_one_takes_it(make: Make) -> None:
    operation = make({"headerKey": []}, {"headerKey": [], "cookieKey": []}, {"bearerAuth": []})
    given = {"headerKey": "k", "cookieKey": "c", "bearerAuth": "b"}
    assert authorize(request(), operation, given).schemes == ("headerKey", "cookieKey")
    assert authorize(request(), operation, {"headerKey": "k", "bearerAuth": "b"}).schemes == ("headerKey",)


def test_credentials_go_to_the_apis_own_origins_only(make: Make) -> None:
    operation, credentials = make({"bearerAuth": []}), {"bearerAuth": "t"}
    for url in ("https://api.test/x", "https://API.test:443/", "https://eu.api.test/a"):
        assert authorize(request(url), operation, credentials).secrets
    for url in ("https://evil.test/a", "http://api.test/a", "https://api.test:8443/", "https://us.api.test/"):
        with pytest.raises(CredentialError, match="not one of the API's own servers") as caught:
            authorize(request(url), operation, credentials)
        assert "--base-url" in caught.value.hint


def test_a_server_that_only_the_operation_names_gets_none_unless_the_user_names_it(make: Make) -> None:
    operation = make({"bearerAuth": []}, servers=[{"url": "https://evil.test"}])
    there = nlapi.build(operation.spec, "getA", {})
    assert there.url == "https://evil.test/a"
    with pytest.raises(CredentialError, match=r"evil\.test"):
        authorize(there, operation, {"bearerAuth": "t"})
    assert authorize(there, operation, {"bearerAuth": "t"}, base_url="https://evil.test").secrets


def test_elsewhere_an_operation_that_may_be_anonymous_goes_without(make: Make) -> None:
    away = request("https://evil.test/a")
    assert authorize(away, make({"bearerAuth": []}, {}), {"bearerAuth": "t"}).request == away


def test_same_api_is_false_for_what_is_no_url(make: Make) -> None:
    assert not is_same_api(make(), "/relative", base_url="also relative")


def test_nothing_prints_a_secret(make: Make) -> None:
    authorized = authorize(request(), make({"basicAuth": []}), {"basicAuth": "user:hunter22"})
    assert "hunter22" not in repr(authorized)
    assert b64encode(b"user:hunter22").decode() not in repr(authorized)
    assert {"user:hunter22", "hunter22"} <= set(authorized.secrets)


@given(st.text(min_size=6, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_redact_leaves_no_form_of_a_secret(secret: str, before: str, after: str) -> None:
    from urllib.parse import quote

    raw = secret.encode("utf-8", "replace")
    for form in (secret, quote(raw, safe=""), b64encode(raw).decode(), json.dumps(secret)[1:-1]):
        assert form not in redact(f"{before}{form}{after}", [secret, ""]).replace("***", "")[len(before) :]


def test_redact_leaves_the_rest_alone() -> None:
    assert redact("key=abc%2Fdef&page=1 abc/def YWJjL2RlZg abc\\/def", ["abc/def"]) == "key=***&page=1 *** *** ***"
    assert redact("any", ["any"]) == "any"
    assert redact("text", []) == "text"
