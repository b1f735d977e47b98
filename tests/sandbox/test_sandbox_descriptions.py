"""Whole descriptions: every answer fits its schema, every Link leads to something, starting is quick."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2

from nlapi.openapi.spec import Link, Operation, Spec
from nlapi.sandbox.samples import SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas
from tests.sandbox.served import ads, answer, client, shared
from tests.tables import table


def credentials(spec: Spec) -> dict[str, str]:
    found = {"Authorization": "Bearer t"}
    for scheme in spec.security_schemes.values():
        if scheme.kind == "apiKey" and scheme.location == "header":
            found[scheme.name] = "k"
        elif scheme.kind == "http" and scheme.scheme == "basic":
            found["Authorization"] = "Basic dTpw"
    return found


class Visitor:
    """Visits every GET of a description: ids come from the lists above, what else is required from samples."""

    def __init__(self, spec: Spec, http: httpx2.Client) -> None:
        self.spec = spec
        self.http = http
        self.schemas = Schemas(spec)
        self.firsts: dict[str, dict[str, Any] | None] = {}
        self.reads = {one.path: one for one in spec.operations if one.method == "GET"}

    def answers(self, every: int = 1) -> Iterator[tuple[Operation, dict[str, str], httpx2.Response]]:
        for operation in list(self.reads.values())[::every]:
            values = self.values(operation)
            yield operation, values, self.http.get(self.url(operation, values))

    def values(self, operation: Operation) -> dict[str, str]:
        values: dict[str, str] = {}
        for found in re.finditer(r"\{([^{}]+)\}", operation.path):
            above = self.reads.get(operation.path[: found.start()].rstrip("/"))
            thing = self.first(above, values) if above else None
            id = next((thing[key] for key in (found[1], "id", "code") if key in thing), None) if thing else None
            values[found[1]] = str(self.sample(operation, found[1]) if id is None else id)
        return values

    def first(self, operation: Operation, values: dict[str, str]) -> dict[str, Any] | None:
        url = self.url(operation, values)
        if url not in self.firsts:
            self.firsts[url] = self.first_at(url)
        return self.firsts[url]

    def first_at(self, url: str) -> dict[str, Any] | None:
        response = self.http.get(url)
        data = response.json() if "json" in response.headers.get("content-type", "") else None
        lists = [data] if isinstance(data, list) else list(data.values()) if isinstance(data, dict) else []
        return next((one[0] for one in lists if isinstance(one, list) and one and isinstance(one[0], dict)), None)

    def sample(self, operation: Operation, name: str) -> Any:
        found = next(one for one in operation.parameters if one.name == name)
        return Sampler(self.schemas).sample(found.schema, SampleContext(seed=0, path=name, name=name))

    def url(self, operation: Operation, values: dict[str, str]) -> str:
        path = re.sub(r"\{([^{}]+)\}", lambda found: quote(values.get(found[1], "0"), safe=""), operation.path)
        pairs = []
        for parameter in operation.parameters:
            if parameter.location == "query" and parameter.required:
                value = self.sample(operation, parameter.name)
                listed = value if isinstance(value, list) else [value]
                pairs += [
                    f"{parameter.name}={quote(str(one))}" for one in (listed if parameter.explode else listed[:1])
                ]
        return f"{path}?{'&'.join(pairs)}" if pairs else path

    def faults(self, operation: Operation, response: httpx2.Response) -> list[str]:
        described = operation.response(response.status_code)
        for media in described.media if described else ():
            if "json" in media.content_type:
                found = self.schemas.faults(media.schema, response.json(), operation.id, is_write=False)
                return [f"{one.location}: {one.message}" for one in found]
        return []


def load(name: str) -> Spec:
    return ads() if name == "ads" else shared(name)


@table("name", ["ads", "spotify-ads.yaml", "museum-3.1.yaml", "petstore-3.2.yaml"])
def test_what_can_be_found_can_be_read_and_fits_its_schema_and_its_links_lead_on(name: str) -> None:
    spec = load(name)
    with client(spec, headers=credentials(spec)) as http:
        visitor = Visitor(spec, http)
        for operation, values, response in visitor.answers():
            assert response.status_code == 200, (operation.id, response.text)
            assert visitor.faults(operation, response) == []
            described = operation.response(response.status_code)
            for link in described.links if described else ():
                follow(http, spec.operation(link.operation_id), resolved(link, values, response))


def test_every_answer_of_a_large_description_fits_its_schema() -> None:
    spec = shared("discord-3.1.json")
    with client(spec, headers=credentials(spec)) as http:
        visitor = Visitor(spec, http)
        seen = [(operation, response) for operation, _, response in visitor.answers(every=4)]
    good = [(operation, response) for operation, response in seen if response.status_code == 200]
    assert len(good) >= 0.6 * len(seen)
    assert not [(operation.id, response.text) for operation, response in seen if response.status_code >= 500]
    assert [fault for operation, response in good for fault in visitor.faults(operation, response)] == []


def follow(http: httpx2.Client, target: Operation, arguments: dict[str, Any] | None) -> None:
    """Follows a Link to a GET; what it leads to must be there."""
    if target.method != "GET" or arguments is None:
        return
    if any(name not in arguments for name in re.findall(r"\{([^{}]+)\}", target.path)):
        return  # what is not an expression is a constant of the description, not of this sandbox
    path = re.sub(r"\{([^{}]+)\}", lambda found: quote(str(arguments[found[1]]), safe=""), target.path)
    query = {name: str(value) for name, value in arguments.items() if f"{{{name}}}" not in target.path}
    answer = http.get(path, params=query)
    assert answer.status_code == 200, (target.id, arguments, answer.text)


def resolved(link: Link, values: dict[str, str], response: httpx2.Response) -> dict[str, Any] | None:
    """The arguments of a Link; None when one is not there (the last page has no next)."""
    found = {}
    for name, expression in link.parameters.items():
        if not isinstance(expression, str) or not expression.startswith("$re"):
            continue
        if expression.startswith("$request.path."):
            found[name.rpartition(".")[2]] = values[expression.rpartition(".")[2]]
        elif expression.startswith("$response.body#/"):
            value = pointed(response.json(), expression.partition("#/")[2].split("/"))
            if value is None:
                return None
            found[name.rpartition(".")[2]] = value
    return found


def pointed(value: Any, keys: list[str]) -> Any:
    for key in keys:
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (LookupError, TypeError):
            return None
    return value


def test_the_ads_of_one_account_are_one_family() -> None:
    with client(ads(), headers={"Authorization": "Bearer t"}) as http:
        campaigns = {one["id"]: one for one in http.get("/campaigns?limit=100").json()["data"]}
        sets = {one["id"]: one for one in http.get("/ad_sets?limit=100").json()["data"]}
        for one in http.get("/ads?limit=100").json()["data"]:
            assert sets[one["ad_set_id"]]["campaign_id"] == one["campaign_id"]
            assert one["campaign_id"] in campaigns
        accounts = {one["id"] for one in http.get("/accounts?limit=100").json()["data"]}
        assert {one["account_id"] for one in campaigns.values()} <= accounts
        for one in http.get("/drafts?limit=100").json()["data"]:
            assert one["campaign_id"] is None or campaigns[one["campaign_id"]]["account_id"] == one["account_id"]


def test_a_draft_becomes_a_campaign() -> None:
    with client(ads(), headers={"Authorization": "Bearer t"}) as http:
        draft = http.post(
            "/drafts", json={"name": "Autumn", "objective": "REACH", "daily_budget_micros": 5_000_000}
        ).json()
        assert http.post(f"/drafts/{draft['id']}/validate").json()["valid"] is True
        published = http.post(f"/drafts/{draft['id']}/publish")
        campaign = published.json()
        assert published.status_code == 201 and campaign["name"] == "Autumn" and campaign["status"] == "PAUSED"
        assert http.get(published.headers["location"]).json() == campaign
        after = http.get(f"/drafts/{draft['id']}").json()
        assert (after["status"], after["campaign_id"]) == ("PUBLISHED", campaign["id"])
        assert campaign in http.get("/campaigns?name=autumn").json()["data"]


def test_a_spotify_campaign_lives_in_its_account() -> None:
    spec = shared("spotify-ads.yaml")
    with client(spec, headers={"Authorization": "Bearer t"}) as http:
        business = http.get("/businesses").json()["businesses"][0]
        account = http.get(f"/businesses/{business['id']}/ad_accounts").json()["ad_accounts"][0]
        path = f"/ad_accounts/{account['id']}/campaigns"
        made = http.post(path, json={"name": "Night Shift", "objective": "REACH"})
        assert made.status_code == 200, made.text
        assert http.patch(f"{path}/{made.json()['id']}", json={"status": "PAUSED"}).json()["status"] == "PAUSED"
        found = http.get(path, params={"name": "night", "statuses": "PAUSED"})
        if found.status_code == 200:
            assert [one["name"] for one in found.json()["campaigns"]] == ["Night Shift"]


def test_one_path_validates_a_draft_and_publishes_it_below_a_parent() -> None:
    """The action is in the body, and only PUBLISH makes a campaign, which is found below its account."""
    id = {"type": "string", "format": "uuid"}
    fields = {"id": {**id, "readOnly": True}, "name": {"type": "string"}}
    draft, campaign = ({"type": "object", "required": [*fields], "properties": fields, "title": t} for t in "DC")
    action = {"type": "object", "properties": {"action": {"enum": ["PUBLISH", "VALIDATE"]}}}
    refs = {name: {"$ref": f"#/components/schemas/{name}"} for name in ("Draft", "Campaign")}

    def body(schema: Any) -> dict[str, Any]:
        return {"requestBody": {"content": {"application/json": {"schema": schema}}}}

    def listed(name: str) -> Any:
        return answer({"type": "object", "properties": {"data": {"type": "array", "items": refs[name]}}})

    published = answer({"type": "object", "properties": {"campaign": refs["Campaign"]}})
    one = [{"name": name, "in": "path", "required": True, "schema": id} for name in ("account", "item")]
    named = answer({"type": "object", "properties": {"id": id}})
    paths = {
        "/accounts/{account}": {"parameters": one[:1], "get": {"responses": named}},
        **{
            f"/accounts/{{account}}/{path}": {
                "parameters": one[:1],
                "get": {"responses": listed(name)},
                "post": {**body(refs[name]), "responses": answer(refs[name], "201")},
            }
            for path, name in (("drafts", "Draft"), ("campaigns", "Campaign"))
        },
        "/accounts/{account}/campaigns/{item}": {"parameters": one, "get": {"responses": answer(refs["Campaign"])}},
        "/accounts/{account}/drafts/{item}": {
            "parameters": one,
            "get": {"responses": answer(refs["Draft"])},
            "post": {"operationId": "publishDraft", **body(action), "responses": published},
        },
    }
    with client(paths, components={"schemas": {"Draft": draft, "Campaign": campaign}}) as http:
        account = "0b1c2d3e-0000-4000-8000-000000000001"
        drafts, campaigns = (f"/accounts/{account}/{path}" for path in ("drafts", "campaigns"))
        made = http.post(drafts, json={"name": "Night Shift"}).json()
        before = http.get(campaigns).json()["data"]
        checked = http.post(f"{drafts}/{made['id']}", json={"action": "VALIDATE"})
        assert (checked.status_code, http.get(campaigns).json()["data"]) == (200, before)
        sent = http.post(f"{drafts}/{made['id']}", json={"action": "PUBLISH"})
        assert sent.status_code == 200, sent.text
        assert http.get(sent.headers["location"]).json()["name"] == "Night Shift"
        assert len(http.get(campaigns).json()["data"]) == len(before) + 1
