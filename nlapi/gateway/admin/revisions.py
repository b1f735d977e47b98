"""Revisions and whole configurations: list, get, diff, roll back, replace, check."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from nlapi.gateway.admin.call import Answer, Call, Handler, cursor, etag, period
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
    who, limit = call.query.get("author", ""), call.query["limit"]
    store, current = call.gateway.store, call.gateway.publisher.revision
    query = partial(store.revisions, since=since, until=until, who=who, objective=objective)
    page = await asyncio.to_thread(query, limit=limit, before=cursor(call))
    rows = [revision_json(one, current) for one in page.rows]
    after = str(page.next) if page.next else None
    return Answer(body={"data": rows, "page": {"next_cursor": after, "total": page.total}})


async def get(call: Call) -> Answer:
    found = await asyncio.to_thread(call.gateway.publisher.revision_of, call.path["revision"])
    said = revision_json(found, call.gateway.publisher.revision)
    return Answer(body={**said, "configuration": dict(found.document)})


async def difference(call: Call) -> Answer:
    number = call.path["revision"]
    start = call.query.get("from", number - 1)
    rows = await asyncio.to_thread(_differences, call.gateway.publisher, start, number)
    return Answer(body={"from": start, "to": number, "differences": rows})


def _differences(publisher: Publisher, start: int, number: int) -> list[Json]:
    after = decode_configuration(publisher.revision_of(number).document)
    before = decode_configuration(publisher.revision_of(start).document) if start else Configuration()
    return [difference_json(one) for one in diff(before, after)]


def difference_json(one: Difference) -> Json:
    """A Difference with what was and what is, as answers have them."""
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
    return _made(call, made)


async def roll_back_objective(call: Call) -> Answer:
    publisher = call.gateway.publisher
    name = call.name("objective")
    made = await publisher.undo(name, who=call.caller.name, why=call.why, expected=call.expected)
    return _made(call, made)


def _made(call: Call, made: Revision) -> Answer:
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
        if before.objectives and not given.objectives:
            message, hint = "it would leave no objective, and fail all traffic", "delete objectives one by one"
            issue = Issue.error("body.objectives", message, hint, "no-objectives")
            raise unprocessable([issue], code="invalid_configuration")
        return keeping_buckets(before, given)

    publisher = call.gateway.publisher
    made = await publisher.change(edit, who=call.caller.name, why=call.why, expected=expected)
    return _made(call, made)


def keeping_buckets(before: Configuration, after: Configuration) -> Configuration:
    """Splits that come without buckets keep those they had, so that nobody moves who need not."""
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
