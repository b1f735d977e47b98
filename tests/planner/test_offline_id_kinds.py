"""Ids that are names, codes or not known: what a plain word may be, and what is looked up."""

from __future__ import annotations

from datetime import date
from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from nlapi.resources.ids import IdKind, id_kind
from nlapi.tools.plan import Plan
from tests.describe import body, parameter, spec
from tests.tables import table

TEXT = {"type": "string"}
UUID = {"type": "string", "format": "uuid"}


def node(id: str, summary: str, *parameters: Any, answer: Any = None, **more: Any) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": answer}}} if answer else {}
    responses = {"200": {"description": "ok", **content}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": responses, **more}


def buckets(*, key: str = "bucket_id", schema: Any = TEXT, listed: bool = True, **fields: Any) -> Spec:
    """Buckets with groups, as Kinto has them; `fields` are those of a listed item besides its id."""
    bucket, group = parameter(key, "path", schema), parameter(key.replace("bucket", "group"), "path", schema)
    answer = {"type": "array", "items": {"type": "object", "properties": {"id": schema, **fields}}}
    data = body({"type": "object", "properties": {"data": {"type": "object"}}}, required=False)
    item, groups = f"/buckets/{{{key}}}", f"/buckets/{{{key}}}/groups"
    paths = {
        item: {
            "get": node("getBucket", "Get a bucket", bucket),
            "put": node("putBucket", "Create or replace a bucket", bucket, **data),
            "delete": node("deleteBucket", "Delete a bucket", bucket),
        },
        f"{groups}/{{{group['name']}}}": {
            "get": node("getGroup", "Get a group", bucket, group),
            "put": node("putGroup", "Create or replace a group", bucket, group, **data),
        },
    }
    lists = {
        "/buckets": {"get": node("listBuckets", "List buckets", answer=answer)},
        groups: {"get": node("listGroups", "List groups of a bucket", bucket, answer=answer)},
    }
    return spec({**paths, **lists} if listed else paths)


def planned(question: str, api: Spec) -> Plan:
    return OfflinePlanner([api], today=date(2026, 5, 13)).plan(question)


READS = ["get the bucket blog", 'show the bucket "blog"', "show bucket blog"]


@table("question", READS)
@table("key", ["bucket_id", "bucket_name"])
@table("listed", [True, False])
def test_a_plain_word_is_an_id_where_it_may_be_one(question: str, key: str, listed: bool) -> None:
    (call,) = planned(question, buckets(key=key, listed=listed)).calls
    assert (call.operation_id, call.arguments) == ("getBucket", {key: "blog"})


@table(
    "api",
    [buckets(name=TEXT), buckets(schema=UUID), buckets(schema={"type": "integer"}), buckets(schema=UUID, name=TEXT)],
)
@table("question", READS)
def test_a_name_is_looked_up_where_ids_are_codes(question: str, api: Spec) -> None:
    plan = planned(question, api)
    assert [call.operation_id for call in plan.calls] == ["listBuckets"]
    assert plan.goal is not None and plan.goal.operation_id == "getBucket"


def test_the_ids_of_what_is_above_are_plain_words_too() -> None:
    (call,) = planned("list the groups of bucket blog", buckets()).calls
    assert (call.operation_id, call.arguments) == ("listGroups", {"bucket_id": "blog"})
    (call,) = planned("show the group teachers of bucket blog", buckets()).calls
    assert (call.operation_id, call.arguments) == ("getGroup", {"bucket_id": "blog", "group_id": "teachers"})


@table("question", ["create a bucket called blog", "create bucket blog", "create the bucket blog"])
def test_the_key_of_what_is_created_is_not_looked_up(question: str) -> None:
    (call,) = planned(question, buckets()).calls
    assert (call.operation_id, call.arguments) == ("putBucket", {"bucket_id": "blog"})


def test_the_target_of_a_change_is_looked_up_where_ids_are_not_known() -> None:
    plan = planned("delete the bucket blog", buckets())
    assert [call.operation_id for call in plan.calls] == ["listBuckets"]
    assert plan.goal is not None and plan.goal.operation_id == "deleteBucket"


def test_a_change_of_what_cannot_be_looked_up_is_not_plain() -> None:
    plan = planned("delete the bucket blog", buckets(listed=False))
    (call,) = plan.calls
    assert (call.operation_id, call.arguments) == ("deleteBucket", {"bucket_id": "blog"})
    assert plan.confidence < 0.5
    assert call.account is not None and call.account.of("bucket_id")[0].sure < 0.5


@table(
    ("name", "schema", "description", "kind"),
    [
        ("bucket_name", TEXT, "", IdKind.NATURAL),
        ("username", TEXT, "", IdKind.NATURAL),
        ("bucket_id", TEXT, "The name of the bucket.", IdKind.NATURAL),
        ("bucket_id", {**TEXT, "example": "my-bucket"}, "", IdKind.NATURAL),
        ("bucket_id", TEXT, "", IdKind.UNKNOWN),
        ("bucket_id", UUID, "", IdKind.OPAQUE),
        ("bucket_id", {"type": "integer"}, "", IdKind.OPAQUE),
        ("bucket_id", {**TEXT, "pattern": "^[0-9a-f]{24}$"}, "", IdKind.OPAQUE),
        ("bucket_id", {**TEXT, "pattern": "^[a-z0-9-]+$"}, "", IdKind.UNKNOWN),
        ("bucket_id", {**TEXT, "example": "5f1b02c7"}, "", IdKind.OPAQUE),
        ("bucket_id", TEXT, "UUID of the bucket", IdKind.OPAQUE),
    ],
)
def test_the_kind_of_ids_is_a_fact_of_the_description(
    name: str, schema: dict[str, Any], description: str, kind: IdKind
) -> None:
    assert id_kind(name.split("_"), schema, description, has_name=False) is kind


def test_the_id_of_items_that_have_a_name_is_opaque() -> None:
    assert id_kind(["bucket", "id"], TEXT, "", has_name=True) is IdKind.OPAQUE
    assert id_kind(["bucket", "name"], TEXT, "", has_name=True) is IdKind.NATURAL


def records() -> Spec:
    """Certificates, which a fingerprint names, and domains with their records."""
    fingerprint, domain = parameter("fingerprint", "path", TEXT), parameter("domain_name", "path", TEXT)
    listed = (parameter("sha1_fingerprint"), parameter("issuer"))
    return spec(
        {
            "/certificates": {"get": node("listCertificates", "List certificates", *listed)},
            "/certificates/{fingerprint}": {"get": node("getCertificate", "Get a certificate", fingerprint)},
            "/files/{checksum}": {"get": node("getFile", "Get a file", parameter("checksum", "path", TEXT))},
            "/domains/{domain_name}/records": {
                "get": node("listRecords", "List the records of a domain", domain, parameter("type"))
            },
        }
    )


@table(
    ("question", "arguments", "missing"),
    [
        ("when do the certificates expire", {}, []),
        ("show the MX records", {"type": "MX"}, ["domain_name"]),
        ("show the MX records of example.com", {"domain_name": "example.com", "type": "MX"}, []),
        ("get the file with the checksum readme", {}, ["checksum"]),
        ("get the file with the checksum 9c1f02ab77", {"checksum": "9c1f02ab77"}, []),
        ("get the certificate get", {}, ["fingerprint"]),
        ("get the certificate 5f:1b:02:aa", {"fingerprint": "5f:1b:02:aa"}, []),
    ],
)
def test_a_typed_field_takes_only_what_has_its_shape(
    question: str, arguments: dict[str, Any], missing: list[str]
) -> None:
    plan = planned(question, records())
    assert [dict(call.arguments) for call in plan.calls] == [arguments]
    assert [entry.argument for entry in plan.missing] == missing


def test_what_is_added_to_something_is_looked_up() -> None:
    team, user = parameter("team_id", "path", TEXT), parameter("user_id", "path", TEXT)
    people = {"type": "array", "items": {"type": "object", "properties": {"id": TEXT, "email": TEXT}}}
    api = spec(
        {
            "/users": {"get": node("listUsers", "List users", answer=people)},
            "/teams/{team_id}/users/{user_id}": {"put": node("addUser", "Add a user to a team", team, user)},
        }
    )
    plan = planned("add the user bob to team t_1", api)
    assert [call.operation_id for call in plan.calls] == ["listUsers"]
