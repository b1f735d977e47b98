"""The operations on revisions and whole configurations: list, get, diff, roll back, replace and check."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from nlapi.gateway.admin.call import Answer, Call, Handler, cursor, etag, page_answer, period
from nlapi.gateway.codec import KINDS, Json, decode_configuration, encode_configuration, slug
from nlapi.gateway.kept import Revision
from nlapi.gateway.problem import issue_as_dict, unprocessable
from nlapi.gateway.publish import Publisher
from nlapi.issue import Issue
from nlapi.routing.change import Difference, diff
from nlapi.routing.nouns import Configuration
from nlapi.routing.split import allocate

_BY_PLURAL = {kind.plural: kind for kind in KINDS.values()}


def revision_json(revision: Revision, current: int) -> Json:
    """Return the JSON of a revision without its configuration."""
    return {
        "revision": revision.number,
        "at": revision.at,
        "who": revision.who,
        "why": revision.why,
        "summary": revision.summary,
        "objectives": list(revision.objectives),
        "current": revision.number == current,
    }


async def list_(call: Call) -> Answer:
    since, until = period(call)
    objective = slug(call.query.get("objective", ""))
    who, limit, before = call.query.get("author", ""), call.query["limit"], cursor(call)
    store, current = call.gateway.store, call.gateway.publisher.revision
    # The store is read in a thread: it waits for a write that is under way, and requests are served meanwhile.
    page = await asyncio.to_thread(
        lambda: store.revisions(since=since, until=until, who=who, objective=objective, limit=limit, before=before)
    )
    return page_answer([revision_json(revision, current) for revision in page.rows], page)


async def get(call: Call) -> Answer:
    found = await asyncio.to_thread(call.gateway.publisher.revision_of, call.path["revision"])
    said = revision_json(found, call.gateway.publisher.revision)
    return Answer(body={**said, "configuration": dict(found.document)})


async def difference(call: Call) -> Answer:
    number = call.path["revision"]
    start = call.query.get("from", number - 1)
    # Decoding two documents of up to 32 MiB takes long, and requests are served meanwhile.
    rows = await asyncio.to_thread(_differences, call.gateway.publisher, start, number)
    return Answer(body={"from": start, "to": number, "differences": rows})


def _differences(publisher: Publisher, start: int, number: int) -> list[Json]:
    after = decode_configuration(publisher.revision_of(number).document)
    before = decode_configuration(publisher.revision_of(start).document) if start else Configuration()
    return [difference_json(one) for one in diff(before, after)]


def difference_json(one: Difference) -> Json:
    """Return a Difference as answers have it, with the object before and after."""
    kind = _BY_PLURAL[one.kind]
    said: Json = {"where": f"{one.kind}.{one.name}", "change": one.change, "text": one.text}
    said["fields"] = list(one.fields)
    for name, noun in (("before", one.before), ("after", one.after)):
        if noun is not None:
            said[name] = kind.encode(noun, False)
    return said


async def roll_back(call: Call) -> Answer:
    publisher, number = call.gateway.publisher, call.path["revision"]
    made = await publisher.roll_back(number, who=call.caller.name, why=call.why, expected=call.expected)
    return revision_answer(call, made)


async def roll_back_objective(call: Call) -> Answer:
    publisher = call.gateway.publisher
    name = call.name("objective")
    made = await publisher.undo(name, who=call.caller.name, why=call.why, expected=call.expected)
    return revision_answer(call, made)


def revision_answer(call: Call, made: Revision) -> Answer:
    """Return the answer to an operation that published a revision."""
    body = revision_json(made, call.gateway.publisher.revision)
    return Answer(body=body, headers=etag(made.number), made=made.number)


async def configuration(call: Call) -> Answer:
    current = call.gateway.publisher.current
    number = current.table.revision
    said = await asyncio.to_thread(encode_configuration, current.configuration)
    return Answer(body={**({"revision": number} if number else {}), **said}, headers=etag(number))


async def replace_configuration(call: Call) -> Answer:
    given = await asyncio.to_thread(decode_configuration, call.body)
    expected = call.expected if call.expected is not None else call.body.get("revision")

    def edit(before: Configuration) -> Configuration:
        # An empty document is a mistake far more often than the wish to stop all traffic.
        if before.objectives and not given.objectives:
            message, hint = "it would leave no objective, and fail all traffic", "delete objectives one by one"
            issue = Issue.error("body.objectives", message, hint, "no-objectives")
            raise unprocessable([issue], code="invalid_configuration")
        return keeping_buckets(before, given)

    publisher = call.gateway.publisher
    made = await publisher.change(edit, who=call.caller.name, why=call.why, expected=expected)
    return revision_answer(call, made)


def keeping_buckets(before: Configuration, after: Configuration) -> Configuration:
    """Return `after`, in which splits without buckets keep those of `before`."""
    # A document that a person wrote has no buckets. Allotted anew they would move users who may stay.
    rules = {
        name: replace(rule, shares=allocate(before.rules[name].shares, rule.shares))
        if name in before.rules and not any(share.buckets for share in rule.shares)
        else rule
        for name, rule in after.rules.items()
    }
    experiments = {
        name: replace(one, cells=allocate(before.experiments[name].cells, one.cells))
        if name in before.experiments and not any(cell.buckets for cell in one.cells)
        else one
        for name, one in after.experiments.items()
    }
    return replace(after, rules=rules, experiments=experiments)


async def check(call: Call) -> Answer:
    publisher, body = call.gateway.publisher, call.body
    issues = await asyncio.to_thread(lambda: publisher.checked(decode_configuration(body)))
    return Answer(body={"issues": [issue_as_dict(issue) for issue in issues]})


HANDLERS: dict[str, Handler] = {
    "listRevisions": list_,
    "getRevision": get,
    "diffRevision": difference,
    "rollBackToRevision": roll_back,
    "rollBackObjective": roll_back_objective,
    "getConfiguration": configuration,
    "replaceConfiguration": replace_configuration,
    "checkConfiguration": check,
}
