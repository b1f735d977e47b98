"""Changes in an operation's own words, operations that state the same, and values that are stated as such."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.changes.checks import reasons_against
from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from nlapi.tools.tool import Account
from tests.describe import body, parameter, spec

TEXT: dict[str, Any] = {"type": "string"}
ANSWERS = {"200": {"description": "ok"}}


def _node(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": ANSWERS, **more}


def desk() -> Spec:
    id = parameter("id", "path", TEXT)
    brand = {"isActive": {"type": "boolean"}, "name": TEXT, "support": {"type": "object", "properties": {"name": TEXT}}}
    sizes = {"{quantity}": {"type": "number"}, "!": TEXT}
    brand_body = body({"type": "object", "properties": {**brand, "prices": {"type": "object", "properties": sizes}}})
    template = body({"type": "object", "properties": {"name": TEXT}, "required": ["name"]})
    return spec(
        {
            "/observer/{id}": {"delete": _node("deleteObserver", "Delete an event", id)},
            "/services/{id}": {"delete": _node("unloadService", "Unload service", id)},
            "/rooms/allocations/{id}": {"delete": _node("deleteRoomAllocation", "Delete Allocation", id)},
            "/desks/allocations/{id}": {"delete": _node("deleteDeskAllocation", "Delete Allocation", id)},
            "/templates": {"post": _node("createTemplate", "Create template", **template)},
            "/brands/{id}": {
                "put": _node("replaceBrand", "Update brand", id, **brand_body),
                "patch": _node("updateBrand", "Update brand", id, **brand_body),
            },
        }
    )


@pytest.mark.parametrize(
    ("question", "operation", "arguments"),
    [
        ("delete the event 8f3a", "deleteObserver", {"id": "8f3a"}),
        ("unload the service 8f3a", "unloadService", {"id": "8f3a"}),
        ("delete allocation 8f3a of the desks", "deleteDeskAllocation", {"id": "8f3a"}),
        ("add a new template named Q3 Review", "createTemplate", {"name": "Q3 Review"}),
        ("set is active of brand 4021 to false", "updateBrand", {"id": "4021", "isActive": False}),
        ("set is active of brand 4021 to true", "updateBrand", {"id": "4021", "isActive": True}),
        ("change the name of brand 4021 to Nightly", "updateBrand", {"id": "4021", "name": "Nightly"}),
    ],
)
def test_a_change_in_the_words_of_the_api_stands(question: str, operation: str, arguments: dict[str, Any]) -> None:
    (call,) = OfflinePlanner([desk()]).plan(question).calls
    assert (call.operation_id, dict(call.arguments)) == (operation, arguments)
    assert reasons_against(call, call.account or Account(), question) == ()


def test_of_two_operations_with_the_same_statement_none_stands() -> None:
    question = "delete allocation 8f3a"
    (call,) = OfflinePlanner([desk()]).plan(question).calls
    (reason,) = reasons_against(call, call.account or Account(), question)
    assert reason.endswith("Allocation does what the sentence says as well")


def transactions() -> Spec:
    fields = body({"type": "object", "properties": dict.fromkeys(("cheque_number", "labels", "memo", "payee"), TEXT)})
    update = _node("updateTransaction", "Update a transaction", parameter("id", "path", TEXT), **fields)
    return spec({"/transactions/{id}": {"put": update}})


@pytest.mark.parametrize(
    ("question", "payee", "memo"),
    [
        ("set the payee of transaction 5 to Bob and its memo to cash", "Bob", "cash"),
        ("set the memo of transaction 5 to refund and the payee to Ada Park", "Ada Park", "refund"),
        ('set the memo of transaction 5 to "refund from Bob" and its payee to Eve', "Eve", "refund from Bob"),
    ],
)
def test_each_of_two_fields_takes_the_value_behind_it(question: str, payee: str, memo: str) -> None:
    (call,) = OfflinePlanner([transactions()]).plan(question).calls
    assert dict(call.arguments) == {"id": "5", "payee": payee, "memo": memo}
    assert reasons_against(call, call.account or Account(), question) == ()


def test_a_field_that_a_value_goes_on_with_is_not_set() -> None:
    question = "set the payee of transaction 5 to Salt and memo of cars"
    calls = OfflinePlanner([transactions()]).plan(question).calls
    assert all(reasons_against(call, call.account or Account(), question) for call in calls)


def test_the_number_of_a_listed_item_is_the_id_of_no_other() -> None:
    user = parameter("userId", "query", {"type": "integer"})
    fences = spec(
        {
            "/geofences": {"get": _node("listGeofences", "List geofences", user)},
            "/users": {"get": _node("listUsers", "List users")},
        }
    )
    (call,) = OfflinePlanner([fences]).plan("show the geofence 2").calls
    assert (call.operation_id, dict(call.arguments)) == ("listGeofences", {})
    (of_user,) = OfflinePlanner([fences]).plan("show the geofences of user 2").calls
    assert dict(of_user.arguments) == {"userId": 2}


def device() -> Spec:
    flags = {"alerts": {"type": "boolean"}, "muted": {"type": "boolean"}, "featured": {"type": "boolean"}}
    status = {"type": "string", "enum": ["active", "inactive"]}
    fields = body({"type": "object", "properties": {**flags, "status": status, "name": TEXT}})
    id = parameter("id", "path", TEXT)
    return spec({"/devices/{id}": {"patch": _node("updateDevice", "Update a device", id, **fields)}})


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("disable alerts on device d-5", {"alerts": False}),
        ("turn off alerts on device d-5", {"alerts": False}),
        ("enable alerts on device d-5", {"alerts": True}),
        ("set alerts of device d-5 to off", {"alerts": False}),
        ("set muted to true and alerts to false for device d-5", {"muted": True, "alerts": False}),
        ("unmute device d-5", {"muted": False}),
        ("set the status of device d-5 to inactive", {"status": "inactive"}),
    ],
)
def test_a_flag_takes_its_own_value(question: str, arguments: dict[str, Any]) -> None:
    (call,) = OfflinePlanner([device()]).plan(question).calls
    assert dict(call.arguments) == {"id": "d-5", **arguments}
    assert reasons_against(call, call.account or Account(), question) == ()


@pytest.mark.parametrize(
    "question", ["set the status of the featured device d-5 to inactive", "set alerts of the featured device d-5 to no"]
)
def test_what_an_item_is_called_by_is_no_flag_of_it(question: str) -> None:
    (call,) = OfflinePlanner([device()]).plan(question).calls
    assert "featured" not in call.arguments


def ticket() -> Spec:
    support = {"type": "object", "properties": {"name": TEXT}}
    level, is_open = {"type": "integer"}, {"type": "boolean"}
    fields = body({"type": "object", "properties": {"name": TEXT, "support": support, "level": level, "open": is_open}})
    id = parameter("id", "path", TEXT)
    return spec({"/tickets/{id}": {"patch": _node("updateTicket", "Update a ticket", id, **fields)}})


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("change the name of ticket t-5 to Nightly", {"name": "Nightly"}),
        ("change the support name of ticket t-5 to Nightly", {"support": {"name": "Nightly"}}),
        ("change the name of the support ticket t-5 to Nightly", {"name": "Nightly"}),
        ("set the level of ticket t-5 to 3", {"level": 3}),
        ("rename ticket t-5 to Q3 Review", {"name": "Q3 Review"}),
        ("change the name of ticket t-5 to Q3 Review", {"name": "Q3 Review"}),
        ("ticket t-5: set name to Q3 Review", {"name": "Q3 Review"}),
    ],
)
def test_a_field_is_that_of_the_object_that_the_sentence_names(question: str, arguments: dict[str, Any]) -> None:
    (call,) = OfflinePlanner([ticket()]).plan(question).calls
    assert dict(call.arguments) == {"id": "t-5", **arguments}


@pytest.mark.parametrize(
    ("question", "doubts"),
    [("unblock user 77ab of user 4021", 1), ("unblock the target user 77ab of the source user 4021", 0)],
)
def test_of_two_ids_of_one_noun_the_sentence_tells_which_is_which(question: str, doubts: int) -> None:
    ids = (parameter("source_user_id", "path", TEXT), parameter("target_user_id", "path", TEXT))
    path = "/users/{source_user_id}/blocking/{target_user_id}"
    api = spec({path: {"delete": _node("unblock", "Unblock user", *ids)}})
    (call,) = OfflinePlanner([api]).plan(question).calls
    assert len(reasons_against(call, call.account or Account(), question, destroy=True)) == doubts


def shop() -> Spec:
    trip = {"type": "object", "properties": {"status": {"type": "string", "enum": ["pending", "accepted"]}}}
    account = {
        "name": TEXT,
        "accountNumber": TEXT,
        "description": TEXT,
        "domainName": TEXT,
        "latitude": {"type": "number"},
    }
    token = {"type": "object", "properties": {"clientToken": TEXT, "name": TEXT}, "required": ["clientToken"]}
    id = parameter("id", "path", TEXT)
    of_owner = (parameter("holderId", "path", {**TEXT, "default": "insert identifier here"}), id)
    return spec(
        {
            "/trips/{id}": {"put": _node("setTripStatus", "Set the status of a trip", id, **body(trip))},
            "/trips": {"get": _node("listTrips", "List trips")},
            "/orders/{name}": {"delete": _node("deleteOrder", "Delete an order", parameter("name", "path", TEXT))},
            "/tags/{id}": {"delete": _node("deleteTag", "Delete a tag", id)},
            "/push/devices/{id}": {"delete": _node("deletePushDevice", "Delete a push device", id)},
            "/drafts/bills/{id}": {"delete": _node("deleteBillDraft", "Delete a bill draft", id)},
            "/bank-accounts": {
                "post": _node(
                    "createBankAccount", "Create a bank account", **body({"type": "object", "properties": account})
                )
            },
            "/systems": {"post": _node("createSystem", "Create a system", **body(token))},
            "/owners/{id}/holders/{holderId}": {"delete": _node("deleteHolder", "Delete a holder", *of_owner)},
            "/rules": {
                "post": _node("createRule", "Create a rule", **body({"type": "object", "properties": {"table": TEXT}}))
            },
        }
    )


@pytest.mark.parametrize(
    "question",
    [
        "open trip k-19",
        "open rule 88",
        "delete the oldest order",
        "delete half of the orders",
        "delete the order with the most errors",
        "delete the notes of tag 5",
        "delete the bill 8f3a",
        "delete the holder of owner 5",
        "create a bank account called Blue Harbor next Monday",
        "create 3 bank accounts called Blue Harbor",
        "create 3 systems called Blue Harbor",
        "create a copy of a bank account called Blue Harbor",
    ],
)
def test_what_describes_an_item_or_the_command_is_no_value(question: str) -> None:
    plan = OfflinePlanner([shop()]).plan(question)
    for call in plan.calls:
        assert (
            plan.missing
            or call.operation_id == "listTrips"
            or reasons_against(call, call.account or Account(), question)
        )


@pytest.mark.parametrize(
    ("question", "operation", "arguments"),
    [
        ("delete tag number 5", "deleteTag", {"id": "5"}),
        ("delete device k-19", "deletePushDevice", {"id": "k-19"}),
        ("delete the bill draft 8f3a", "deleteBillDraft", {"id": "8f3a"}),
        ("trip k-19: set status to accepted", "setTripStatus", {"id": "k-19", "status": "accepted"}),
        ("create a bank account called Blue Harbor", "createBankAccount", {"name": "Blue Harbor"}),
        (
            "create a bank account called Nightly with description Q3 Review",
            "createBankAccount",
            {"name": "Nightly", "description": "Q3 Review"},
        ),
    ],
)
def test_an_item_is_named_by_its_noun_alone_or_with_number(
    question: str, operation: str, arguments: dict[str, Any]
) -> None:
    (call,) = OfflinePlanner([shop()]).plan(question).calls
    assert (call.operation_id, dict(call.arguments)) == (operation, arguments)
    assert reasons_against(call, call.account or Account(), question) == ()


def test_the_number_of_items_to_list_has_the_surest_name() -> None:
    count = {"type": "integer"}
    names = (parameter(name, schema=count) for name in ("top", "per_page"))
    (call,) = (
        OfflinePlanner([spec({"/articles": {"get": _node("listArticles", "List articles", *names)}})])
        .plan("list 12 articles")
        .calls
    )
    assert dict(call.arguments) == {"per_page": 12}


def orders() -> Spec:
    id = parameter("id", "path", {"type": "integer"})
    name = body({"type": "object", "properties": {"name": TEXT}, "required": ["name"]})
    return spec(
        {
            "/orders/{id}/shipment": {"post": _node("addShipment", "Adds a shipment to an order", id)},
            "/invites": {"post": _node("invites", "Invites a user", **name)},
            "/labels": {"post": _node("createLabel", "Open a label", **name)},
        }
    )


@pytest.mark.parametrize("question", ["shipments of order 5005", "invites of sam", "new invites", "open label urgent"])
def test_what_is_named_or_opened_is_not_made(question: str) -> None:
    for call in OfflinePlanner([orders()]).plan(question).calls:
        assert reasons_against(call, call.account or Account(), question)


def test_a_command_behind_a_noun_counts() -> None:
    question = "the shipments of order 5005: add a shipment to order 5005"
    (call,) = OfflinePlanner([orders()]).plan(question).calls
    assert call.operation_id == "addShipment"
    assert "the sentence has no verb" not in reasons_against(call, call.account or Account(), question)


def market() -> Spec:
    id, track = parameter("id", "path", {"type": "integer"}), parameter("track_id", "path", {"type": "integer"})
    badge = {"type": "object", "properties": {"title": TEXT}}
    fields = {"user_id": TEXT, "amount": {"type": "integer"}, "memo": TEXT, "approved": {"type": "boolean"}}
    inner = {"type": "object", "required": ["user_id", "amount"], "properties": fields}
    payment = body({"required": ["payment"], "properties": {"payment": inner}})
    return spec(
        {
            "/orders/{id}": {"get": _node("getOrder", "Get an order", id)},
            "/orders/{id}/orderstate": {
                "put": _node(
                    "updateState", "Changes it", id, **body({"properties": {"NewStateId": {"type": "integer"}}})
                )
            },
            "/shipments": {
                "post": _node(
                    "createShipment", "Creates a shipment", **body({"properties": {"OrderSum": {"type": "number"}}})
                )
            },
            "/offerings/{id}": {
                "patch": _node("updateOffering", "", id, **body({"properties": {"name": TEXT, "badge": badge}}))
            },
            "/companies": {
                "post": _node("addCompany", "", **body({"properties": {"company_number": TEXT, "legal_name": TEXT}}))
            },
            "/reposts/tracks/{track_id}": {"delete": _node("deleteRepost", "Removes a repost", track)},
            "/users/me": {"get": _node("getMe", "The user")},
            "/payments": {"post": _node("createPayment", "Creates a payment", **payment)},
            "/payments/{id}": {
                "get": _node("getPayment", "A payment", id),
                "put": _node("updatePayment", "Updates a payment", id, **payment),
            },
            "/workflows/{id}/executions": {"post": _node("createExecution", "", id)},
            "/tracks/{track_id}/comments": {"get": _node("listComments", "Comments of a track", track)},
        }
    )


@pytest.mark.parametrize(
    ("question", "operation", "arguments"),
    [
        ("set the state of order 5005 to 3", "updateState", {"id": 5005, "NewStateId": 3}),
        ("rename offering 7 to Biology 102", "updateOffering", {"id": 7, "name": "Biology 102"}),
        ("remove my repost of track 5", "deleteRepost", {"track_id": 5}),
        ("start workflow 9", "createExecution", {"id": 9}),
        ("approve payment 5", "updatePayment", {"id": 5, "payment": {"approved": True}}),
        ("set the memo of payment 5 to lunch", "updatePayment", {"id": 5, "payment": {"memo": "lunch"}}),
    ],
)
def test_a_change_that_the_api_names_otherwise_stands(question: str, operation: str, arguments: dict[str, Any]) -> None:
    (call,) = OfflinePlanner([market()]).plan(question).calls
    assert (call.operation_id, dict(call.arguments)) == (operation, arguments)
    assert reasons_against(call, call.account or Account(), question) == ()


@pytest.mark.parametrize(
    ("question", "argument"),
    [("create a shipment for order 5005", "OrderSum"), ("create company Borealis Oy", "company_number")],
)
def test_the_id_of_another_item_is_no_amount_and_a_name_no_number(question: str, argument: str) -> None:
    assert all(argument not in call.arguments for call in OfflinePlanner([market()]).plan(question).calls)


def test_a_change_that_nothing_does_is_not_answered_with_a_read() -> None:
    plan = OfflinePlanner([market()]).plan("disable comments on track 5")
    assert (plan.calls, "does that: disable" in plan.text) == ((), True)


def test_a_noun_phrase_is_a_read() -> None:
    (call,) = OfflinePlanner([market()]).plan("comments of track 5").calls
    assert (call.operation_id, dict(call.arguments)) == ("listComments", {"track_id": 5})


def bank() -> Spec:
    id = parameter("id", "path", TEXT)
    kind = {"type": "string", "enum": ["private", "public"]}
    fields = body({"properties": {"title": TEXT, "visibility": kind, "user_id": TEXT, "level": {"type": "integer"}}})
    transfer = body({"properties": {"amount": {"type": "integer"}, "destination_account": TEXT, "account": TEXT}})
    return spec(
        {
            "/maps/{id}": {"get": _node("getMap", "Get a map", id), "patch": _node("updateMap", "", id, **fields)},
            "/tags/{id}": {"get": _node("getTag", "Get a tag", id)},
            "/tag_groups/{id}": {"patch": _node("updateTagGroup", "", id, **fields)},
            "/classes/{class_id}/scores/{score_id}": {
                "delete": _node(
                    "deleteScore",
                    "Delete a score",
                    parameter("class_id", "path", TEXT),
                    parameter("score_id", "path", TEXT),
                )
            },
            "/transfers": {"post": _node("createTransfer", "Transfer money", **transfer)},
            "/webhooks/{id}": {
                "patch": _node("updateWebhook", "", id, **body({"properties": {"active": {"type": "boolean"}}}))
            },
        }
    )


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("rename the private map 55 to Eats", {"id": "55", "title": "Eats"}),
        ("set the title of map 55 to New title", {"id": "55", "title": "New title"}),
    ],
)
def test_what_describes_an_item_is_not_set_and_a_value_is_whole(question: str, arguments: dict[str, Any]) -> None:
    for call in OfflinePlanner([bank()]).plan(question).calls:
        is_right = dict(call.arguments) == arguments
        assert is_right or reasons_against(call, call.account or Account(), question)
        assert "visibility" not in call.arguments


@pytest.mark.parametrize(
    "question",
    [
        "rename tag 7 to Friends",
        "delete scores 77 and 88",
        "set the level of map 55 to about 20",
        "rename map 55 to Ramen Ltd.",
        "transfer 250 to account 71 from destination account 90",
    ],
)
def test_what_is_not_plain_does_not_stand(question: str) -> None:
    plan = OfflinePlanner([bank()]).plan(question)
    assert all(
        plan.missing or reasons_against(call, call.account or Account(), question)
        for call in plan.calls
        if call.tool.operation.method != "GET"
    )


def test_a_particle_makes_a_no() -> None:
    (call,) = OfflinePlanner([bank()]).plan("turn off webhook 5").calls
    assert dict(call.arguments) == {"id": "5", "active": False}


def club() -> Spec:
    id = parameter("id", "path", TEXT)
    number = parameter("member_id", "path", {"type": "integer"})
    switch = {"type": "string", "enum": ["ON", "OFF"]}
    member = {"name": TEXT, "last_name": TEXT, "delivery": switch, "sound": switch, "parent": TEXT}
    optional_name = {"type": "string", "description": "When it is copied from another one, its new name."}
    wallet = {"name": TEXT, "currency": TEXT, "max_size": {"type": "integer"}}
    ban = {"chat_id": TEXT, "only_if_banned": {"type": "boolean"}}
    nothing = body({"type": "object", "properties": {}}, required=True)
    target = {"to_group_id": {"type": "integer"}}
    return spec(
        {
            "/members/{id}": {
                "get": _node("getMember", "Get a member", id),
                "patch": _node("updateMember", "Update a member", id, **body({"properties": member})),
            },
            "/wallets": {"post": _node("createWallet", "Create a wallet", **body({"properties": wallet}))},
            "/playlists/{id}/forks": {
                "post": _node("fork", "Fork it", id, **body({"properties": {"name": optional_name, "team": TEXT}}))
            },
            "/bans/{id}": {"delete": _node("unbanUser", "", id, **nothing)},
            "/unbanChat": {"post": _node("post_unbanChat", "", **body({"required": ["chat_id"], "properties": ban}))},
            "/bills/{id}/mark_unpayable": {"post": _node("markBill", "", id, **body({"properties": {"memo": TEXT}}))},
            "/groups/{id}/members/{member_id}/move": {
                "post": _node("moveMember", "Move a member", id, number, **body({"properties": target}))
            },
            "/player/queue": {
                "post": _node(
                    "addToQueue",
                    "Add an item to the queue",
                    parameter("uri", "query", TEXT, required=True),
                    parameter("device_id", "query", TEXT),
                )
            },
        }
    )


@pytest.mark.parametrize(
    ("question", "operation", "arguments"),
    [
        ("set the last name of member 55 to Smith", "updateMember", {"id": "55", "last_name": "Smith"}),
        ("create a wallet called Savings in EUR", "createWallet", {"name": "Savings", "currency": "EUR"}),
        ("fork playlist 5 into the team red", "fork", {"id": "5", "team": "red"}),
        ("unban user 5", "unbanUser", {"id": "5", "body": {}}),
        ("unban chat 5", "post_unbanChat", {"chat_id": "5"}),
        ("mark bill 5 as unpayable", "markBill", {"id": "5"}),
        ("move member 12 of group 42 to group 99", "moveMember", {"id": "42", "member_id": 12, "to_group_id": 99}),
        ("add radio:track:4iV5W9uY to the queue", "addToQueue", {"uri": "radio:track:4iV5W9uY"}),
        ("turn off the delivery of member 55", "updateMember", {"id": "55", "delivery": "OFF"}),
        ("enable the sound of member 55", "updateMember", {"id": "55", "sound": "ON"}),
    ],
)
def test_a_value_goes_where_its_words_say(question: str, operation: str, arguments: dict[str, Any]) -> None:
    (call,) = OfflinePlanner([club()]).plan(question).calls
    assert (call.operation_id, dict(call.arguments)) == (operation, arguments)
    assert reasons_against(call, call.account or Account(), question) == ()


def ledger() -> Spec:
    id, login = parameter("id", "path", TEXT), parameter("login", "query", TEXT, required=True)
    number = {"oneOf": [{"type": "integer"}, {"type": "string", "format": "uuid"}]}
    role = {"type": "integer", "enum": [0, 1], "description": "The role (Admin = `0`, Editor = `1`)"}
    listed = {"type": "string", "description": "How it is sent. Possible values are: `slow_mail`, `courier`."}
    user = {
        "renewAuto": {"type": "boolean"},
        "alwaysValid": {"type": "boolean"},
        "night_mode": {"type": "string", "enum": ["auto", "on"]},
        "role": role,
    }
    name = body({"properties": {"name": TEXT, "transport": listed}})
    return spec(
        {
            "/clients/bills/{id}": {"delete": _node("delete_1", "Removes a client bill", id, login)},
            "/vendors/bills/{id}": {"delete": _node("delete_2", "Removes a vendor bill", id, login)},
            "/accounts/{id}": {"patch": _node("updateAccount", "Update an account", id, **body({"properties": user}))},
            "/clips/{id}": {"delete": _node("deleteClip", "Delete a clip", parameter("id", "path", number))},
            "/accounts/{id}/two-factor": {"delete": _node("disableTwoFactor", "Disable two factor", id)},
            "/reviews/{id}/reviewers/{username}": {
                "delete": _node("removeReviewer", "", id, parameter("username", "path", TEXT))
            },
            "/parcels/{id}": {"patch": _node("updateParcel", "Update a parcel", id, **name)},
            "/comments/{id}/replies": {
                "post": _node(
                    "replyToComment", "Post a reply for a comment", id, **body({"properties": {"comment": TEXT}})
                )
            },
            "/users/me": {"get": _node("getMe", "The user")},
            "/calls": {
                "post": _node(
                    "createCall",
                    "Create a call",
                    **body({"required": ["person_id"], "properties": {"person_id": TEXT, "selfLink": TEXT}}),
                )
            },
        }
    )


@pytest.mark.parametrize(
    ("question", "operation", "arguments"),
    [
        ("set renewAuto of account 17 to false", "updateAccount", {"id": "17", "renewAuto": False}),
        ("update account 17 renewAuto=false", "updateAccount", {"id": "17", "renewAuto": False}),
        ("update account 17 renewAuto: false", "updateAccount", {"id": "17", "renewAuto": False}),
        ("enable renew_auto for account 17", "updateAccount", {"id": "17", "renewAuto": True}),
        ("set night_mode of account 17 to auto", "updateAccount", {"id": "17", "night_mode": "auto"}),
        ("set always valid of account 17 to false", "updateAccount", {"id": "17", "alwaysValid": False}),
        ("change the role of account 17 to editor", "updateAccount", {"id": "17", "role": 1}),
        ("delete clip 55", "deleteClip", {"id": 55}),
        (
            "delete clip 9c9de5e8-0a1e-484a-b099-e80766180a6d",
            "deleteClip",
            {"id": "9c9de5e8-0a1e-484a-b099-e80766180a6d"},
        ),
        ("disable two factor of account 17", "disableTwoFactor", {"id": "17"}),
        ("remove the reviewer anna from review CR-42", "removeReviewer", {"id": "CR-42", "username": "anna"}),
        ("set the transport of parcel 7 to slow mail", "updateParcel", {"id": "7", "transport": "slow_mail"}),
    ],
)
def test_names_and_values_are_those_of_the_description(
    question: str, operation: str, arguments: dict[str, Any]
) -> None:
    (call,) = OfflinePlanner([ledger()]).plan(question).calls
    assert (call.operation_id, dict(call.arguments)) == (operation, arguments)
    assert reasons_against(call, call.account or Account(), question) == ()


def test_the_number_of_a_comment_is_no_text() -> None:
    (call,) = OfflinePlanner([ledger()]).plan('reply to comment 417 with "agreed"').calls
    assert (call.operation_id, call.arguments["id"]) == ("replyToComment", "417")


def test_what_nobody_said_is_not_looked_up() -> None:
    plan = OfflinePlanner([ledger()]).plan("create a call")
    assert [missing.argument for missing in plan.missing] == ["person_id"]


def test_a_link_has_no_blanks() -> None:
    plan = OfflinePlanner([ledger()]).plan('create a call "buy oat milk"')
    assert all("selfLink" not in call.arguments for call in plan.calls)


def test_an_item_of_two_owners_is_not_deleted() -> None:
    planner, question = OfflinePlanner([ledger()]), "delete bill 44"
    plan = planner.plan(question, known={"login": "anna"})
    assert all(reasons_against(call, call.account or Account(), question) for call in plan.calls)
    (call,) = planner.plan("delete vendor bill 44", known={"login": "anna"}).calls
    assert (call.operation_id, call.arguments["id"]) == ("delete_2", "44")


def test_what_every_request_has_takes_no_words() -> None:
    every = [parameter("login", "query", TEXT, required=True)]
    order = body({"properties": {"rate": {"type": "number"}}})
    lists = {f"/{noun}": {"get": _node(f"list{noun}", f"List {noun}", *every)} for noun in "abcdefghi"}
    shop = spec({**lists, "/orders": {"post": _node("createOrder", "Create an order", *every, **order)}})
    for question in ("list the b of Chile", "create an order called VAT"):
        assert all("login" not in call.arguments for call in OfflinePlanner([shop]).plan(question).calls)
