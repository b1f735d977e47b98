"""Which POSTs are reads: by what is stated, and by evidence that agrees in words, inputs and answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nlapi
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.effect import Basis, evidence_of
from nlapi.resources.effect_overlay import effect_overlay, reads_by_evidence
from tests.describe import text
from tests.tables import table

THING = {"type": "object", "properties": {"sku": {"type": "string"}, "price": {"type": "number"}}}
THINGS = {"type": "object", "properties": {"items": {"type": "array", "items": THING}, "next": {"type": "string"}}}
FILTER = {"query": {"type": "string"}, "limit": {"type": "integer"}}


def post(
    id: str = "",
    summary: str = "",
    description: str = "",
    *,
    body: dict[str, Any] | None = None,
    answer: Any = None,
    status: str = "200",
    **more: Any,
) -> dict[str, Any]:
    """A POST whose body has the properties `body`, and whose answer is of the schema `answer`."""
    node: dict[str, Any] = {"summary": summary, "description": description, **more}
    if id:
        node["operationId"] = id
    if body is not None:
        node["requestBody"] = {"content": {"application/json": {"schema": {"type": "object", "properties": body}}}}
    content = {"content": {"application/json": {"schema": answer}}} if answer is not None else {}
    node.setdefault("responses", {status: {"description": "OK", **content}})
    return node


def loaded(folder: Path, paths: dict[str, Any], **more: Any) -> Spec:
    file = folder / "api.json"
    file.write_bytes(text(paths, **more))
    return nlapi.load(file)


def classified(folder: Path, path: str, node: dict[str, Any], **beside: Any) -> Operation:
    """The POST at a path of an API that has another one, which creates something."""
    paths = {"/orders": {"post": post("createOrder", "Create an order", body={"sku": {"type": "string"}})}}
    for other, item in {**{path: {"post": node}}, **beside}.items():
        paths[other] = {**paths.get(other, {}), **item}
    spec = loaded(folder, paths)
    return next(one for one in spec.operations if one.method == "POST" and one.path == path)


READS = {
    "a search": ("/orders/search", post("searchOrders", "Search orders", body=FILTER, answer=THINGS)),
    "a list by filter without an id": ("/orders/filter", post(summary="List orders", body=FILTER, answer=THINGS)),
    "a name whose verb is last": ("/orders/get", post("ordersGet", "Retrieve orders", body=FILTER, answer=THINGS)),
    "things by ids": ("/orders/byIds", post("getOrders", "Get orders by ids", body={"ids": {"type": "array"}})),
    "a count": ("/orders/count", post("countOrders", "Count orders", body=FILTER, answer={"type": "integer"})),
    "a check of a name": (
        "/checkNameAvailability",
        post(
            "Orders_CheckName",
            "",
            "Checks whether the name is available.",
            body={"name": {"type": "string"}},
            answer={"type": "object", "properties": {"nameAvailable": {"type": "boolean"}}},
        ),
    ),
    "an estimate": ("/rates/estimate", post("estimateRates", "Estimate shipping rates", body={}, answer=THINGS)),
    "a validation": ("/orders/validate", post("validateOrder", "Validate an order", body={}, answer=THINGS)),
    "a translation": ("/translate", post("translate", "Translate a text", body={"text": {}}, answer=THING)),
    "pages without a word": (
        "/orders/all",
        post(body={"page_size": {"type": "integer"}, "page_token": {"type": "string"}}, answer=THINGS),
    ),
    "what disclaims a change": (
        "/orders/process/preview",
        post("previewOrder", "Preview an order", "Does not create anything.", body={}, answer=THING),
    ),
}


@table(("path", "node"), READS.values(), ids=READS)
def test_a_post_is_a_read_where_the_evidence_agrees(tmp_path: Path, path: str, node: dict[str, Any]) -> None:
    operation = classified(tmp_path, path, node)
    evidence = evidence_of(operation)
    assert operation.effect is Effect.READ, evidence.reasons
    assert evidence.basis is Basis.EVIDENCE
    assert evidence.reasons


SEARCH = {"body": FILTER, "answer": THINGS}
CHANGES = {
    "creation": ("/things", post("createThing", "Create a thing", body=FILTER, answer=THING)),
    "creation of an index": ("/search/indexes", post("createIndex", "Create a search index", **SEARCH)),
    "a collection of queries": ("/queries", post("", "Save a query", **SEARCH)),
    "a collection and no word": ("/lists", post(body={"name": {"type": "string"}}, answer=THING)),
    "get or create": ("/users/get-or-create", post("getOrCreateUser", "Get or create a user", **SEARCH)),
    "created where there is none": (
        "/plans/get",
        post("getPlan", "Get a plan", "Gets a plan. If it does not exist, a new plan will be created.", **SEARCH),
    ),
    "a list that deletes": ("/orders/list", post("listOrders", "List orders and delete them", **SEARCH)),
    "a second use": ("/urls/get", post("getUrl", "Get the URL", "Can also be used to update it.", **SEARCH)),
    "what is stored": (
        "/faces/detect",
        post("detect", "Detect faces", "Detects faces. The features will be stored on the server.", **SEARCH),
    ),
    "status 202": ("/orders/query", post("queryOrders", "Query orders", **SEARCH, status="202")),
    "a Location": (
        "/orders/lookup",
        post(
            "lookupOrders",
            "Look up orders",
            responses={"200": {"description": "ok", "headers": {"Location": {"schema": {"type": "string"}}}}},
        ),
    ),
    "an answer that says what was done": (
        "/quotes/get",
        post("getQuote", "Get a quote", responses={"200": {"description": "Newly created quote"}}),
    ),
    "a token": (
        "/token/get",
        post("getToken", "Get a token", answer={"type": "object", "properties": {"access_token": {}}}),
    ),
    "a login": ("/login", post("login", "Check the password", body={"password": {}}, answer=THING)),
    "a code that is used up": ("/codes/check", post("checkCode", "Check a code", body={"code": {}}, answer=THING)),
    "an address that is confirmed": (
        "/mail-token/validate",
        post("validateMailToken", "Validates the mail token", body={"token": {}}, answer=THING),
    ),
    "verification of a domain": ("/domains/{id}/verify", post("verifyDomain", "Verify a domain", answer=THING)),
    "any statement": ("/sql/query", post("query", "Runs a SQL query", body={"query": {}}, answer=THINGS)),
    "an export to a place": (
        "/orders/export",
        post("exportOrders", "Export orders", body={"bucket": {}}, answer=THING),
    ),
    "a report that is kept": ("/findings/report", post("", "Finding report", body={"ids": {"type": "array"}})),
    "a return of goods": ("/payments/{id}/returns", post("", "Return payment", "Return payment.", answer=THING)),
    "a job": (
        "/reports/get",
        post("getReport", "Get a report", answer={"type": "object", "properties": {"job_id": {"type": "string"}}}),
    ),
    "a long poll": ("/tasks/get", post("getTask", "Get a task", "Gets a task. This is a long poll.", **SEARCH)),
    "work that is started": ("/scans/list", post("scans", "Starts an analysis and lists findings", **SEARCH)),
    "a message": ("/messages/test", post("testMessage", "Send a test message", **SEARCH)),
    "nothing at all": ("/x", post()),
}


@table(("path", "node"), CHANGES.values(), ids=CHANGES)
def test_a_post_is_a_change_where_anything_speaks_against_a_read(
    tmp_path: Path, path: str, node: dict[str, Any]
) -> None:
    operation = classified(tmp_path, path, node)
    assert operation.effect is Effect.WRITE, evidence_of(operation).reasons


def test_reasons_are_short_sentences_for_a_person(tmp_path: Path) -> None:
    path, node = READS["a search"]
    assert evidence_of(classified(tmp_path, path, node)).reasons == (
        "its name, summary and path say `search`",
        "the answer holds a list (`items`)",
        "it takes paging or an order (`limit`)",
    )


def test_a_text_that_is_copied_from_the_get_makes_no_read_of_a_creation(tmp_path: Path) -> None:
    get = {"get": {"summary": "Get drafts", "responses": {"200": {"description": "ok"}}}}
    node = post(summary="Get drafts", body={"title": {}, "text": {}}, answer=THING)
    assert classified(tmp_path, "/drafts", node, **{"/drafts": {**get, "post": node}}).effect is Effect.WRITE


def test_a_status_that_every_post_of_an_api_has_tells_nothing(tmp_path: Path) -> None:
    def answers(status: str, schema: Any) -> dict[str, Any]:
        return {status: {"description": "", "content": {"application/json": {"schema": schema}}}}

    def api(*statuses: str) -> dict[str, Any]:
        names = ("search", "list", "create", "update", "remove")
        return {
            f"/{name}": {
                "post": post(name, responses={k: v for one in statuses for k, v in answers(one, THINGS).items()})
            }
            for name in names
        }

    for statuses in (("201",), ("200", "202")):
        effects = {one.id: one.effect for one in loaded(tmp_path, api(*statuses)).operations}
        assert effects["search"] is effects["list"] is Effect.READ
        assert effects["create"] is effects["update"] is Effect.WRITE
        assert effects["remove"] is Effect.DESTROY, "what its words say is taken away, also where the method is POST"


@table("method", ["put", "patch", "delete"])
def test_no_other_method_is_a_read_by_evidence(tmp_path: Path, method: str) -> None:
    (operation,) = loaded(tmp_path, {"/orders/search": {method: READS["a search"][1]}}).operations
    assert operation.effect is not Effect.READ
    assert evidence_of(operation).basis is Basis.METHOD


@table(
    ("path", "node", "effect"),
    [
        ("/orders", post("deleteOrders", "Delete all orders"), Effect.DESTROY),
        ("/auth.revoke", post("auth_revoke", "Revokes a token."), Effect.WRITE),
        ("/toggle/{id}", post("", "", "Toggle the light."), Effect.WRITE),
        ("/orders", {**post("deleteOrders", "Delete all orders"), "x-nlapi-effect": "read"}, Effect.DESTROY),
        # A verb that is a noun too, with its object.
        ("/counter/reset", post("resetCounter", "Resets the counter"), Effect.WRITE),
        ("/jobs/{id}/stop", post("stopJob", "Stop a job"), Effect.WRITE),
        ("/lamp", post("setLamp", "", "Set the colour of the lamp"), Effect.WRITE),
        ("/lock", post("lock", "Lock of a door"), Effect.READ),
        ("/lock", post("getLock", "Lock the door"), Effect.READ),
        ("/parcels/{id}/track", post("trackParcel", "Track a parcel"), Effect.READ),
        ("/schedule", post("schedule", "The schedule of the week"), Effect.READ),
        # A name with a vague verb, beside the command of a text.
        ("/baskets/changeToGuest/{id}", post("Removealldata", "Remove all personal data"), Effect.DESTROY),
        # A name that says neither, beside the command of a text.
        ("/admin/testemail", post("TestEmail_admin_testemail_get", "", "send a test email to the admin"), Effect.WRITE),
        # Name or text alone say nothing sure of a GET.
        ("/orders", post("deleteOrders", "List the orders that were deleted"), Effect.READ),
        ("/orders", post("listOrders", "Delete all orders"), Effect.READ),
        ("/authorize", post("authorize", "Authorize the user"), Effect.READ),
        ("/reports", post("reports.generate", "Generate a report"), Effect.READ),
    ],
)
def test_a_get_is_a_change_where_its_name_and_its_text_both_say_so(
    tmp_path: Path, path: str, node: dict[str, Any], effect: Effect
) -> None:
    (operation,) = loaded(tmp_path, {path: {"get": node}}).operations
    assert operation.effect is effect


@table(
    ("node", "effect", "contradicted"),
    [
        (post("runReport", "Run a report"), Effect.READ, False),
        (post("opaque"), Effect.READ, False),
        (post("createPayment", "Create a payment"), Effect.WRITE, True),
        (post("chargeCard"), Effect.WRITE, True),
        (post("", "Sends a message"), Effect.WRITE, True),
    ],
)
def test_a_stated_read_is_believed_unless_its_words_say_otherwise(
    tmp_path: Path, node: dict[str, Any], effect: Effect, contradicted: bool
) -> None:
    operation = classified(tmp_path, "/things", {**node, "x-nlapi-effect": "read"})
    assert operation.effect is effect
    assert evidence_of(operation).contradicted is contradicted
    issues = [issue for issue in operation.spec.issues if issue.rule == "effect"]
    assert [issue.level.value for issue in issues] == (["warning"] if contradicted else [])
    assert all(issue.where == "paths./things.post" and "it is called a read" in issue.message for issue in issues)


def test_what_is_stated_otherwise_goes_before_evidence(tmp_path: Path) -> None:
    path, node = READS["a search"]
    for effect in ("write", "destroy"):
        assert classified(tmp_path, path, {**node, "x-nlapi-effect": effect}).effect == effect


def test_an_accepted_overlay_pins_the_reads(tmp_path: Path) -> None:
    paths = {path: {"post": node} for path, node in (READS["a search"], READS["a count"], CHANGES["creation"])}
    spec = loaded(tmp_path, paths)
    overlay = tmp_path / "effects.yaml"
    overlay.write_text(effect_overlay(spec.operations))
    paths["/other/search"] = {"post": READS["a search"][1] | {"operationId": "searchOthers"}}
    paths["/orders/count"] = {"post": post("countOrders", "Create a count of orders")}
    (tmp_path / "api.json").write_bytes(text(paths))
    pinned = nlapi.load(tmp_path / "api.json", overlays=[overlay])
    assert {one.id for one in pinned.operations if one.effect is Effect.READ} == {"searchOrders"}
    assert [issue.where for issue in pinned.issues if issue.rule == "effect"] == ["paths./orders/count.post"]
    assert reads_by_evidence(pinned.operations) == ()
    assert effect_overlay(pinned.operations) == ""


def test_paths_with_quotes_and_slashes_are_found_again(tmp_path: Path) -> None:
    paths = {f"/it's/a\\b/{name}/search": {"post": READS["a search"][1] | {"operationId": name}} for name in "ab"}
    spec = loaded(tmp_path, {path.replace("\\", "%5C"): item for path, item in paths.items()})
    (tmp_path / "effects.yaml").write_text(effect_overlay(spec.operations))
    again = nlapi.load(tmp_path / "api.json", overlays=[tmp_path / "effects.yaml"])
    assert not [issue for issue in again.parse_issues if issue.rule == "overlay"]
    assert all(one.stated_effect is Effect.READ for one in again.operations)


def test_a_path_item_behind_a_reference_is_left_out_of_the_overlay(tmp_path: Path) -> None:
    item = {"post": READS["a search"][1]}
    spec = loaded(
        tmp_path,
        {"/orders/search": {"$ref": "#/components/pathItems/Search"}},
        components={"pathItems": {"Search": item}},
    )
    assert spec.operations[0].effect is Effect.READ
    assert effect_overlay(spec.operations) == ""


def test_another_value_of_the_pin_is_told(tmp_path: Path) -> None:
    spec = loaded(tmp_path, {"/orders/search": {"post": READS["a search"][1]}}, **{"x-nlapi-effects": "strict"})
    assert "x-nlapi-effects" in json.dumps([str(issue) for issue in spec.issues])
    assert spec.operations[0].effect is Effect.READ
