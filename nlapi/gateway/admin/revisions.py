"""The operations on revisions and whole configurations: list, get, diff, roll back, replace and check."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from nlapi.errors import Issue
from nlapi.gateway.admin.api_call import (
    ApiCall,
    ApiResponse,
    day_range,
    etag_header,
    is_current,
    not_modified,
    page_response,
    page_start,
)
from nlapi.gateway.admin.watching import answer_when_changed
from nlapi.gateway.control.codec import KINDS, Json, decode_configuration, slug
from nlapi.gateway.control.publisher import Publisher
from nlapi.gateway.http.problems import issue_json, unprocessable
from nlapi.gateway.store.store import Revision
from nlapi.gateway.versions.sources import is_url
from nlapi.routing.change import Difference, diff
from nlapi.routing.decisions import with_buckets
from nlapi.routing.model import Configuration, Experiment, Rule, Share
from nlapi.routing.split import allocate, allocate_layer

_TAG_CHARS = 16
"""characters of a digest in a tag: 96 bits"""
_BY_PLURAL = {kind.plural: kind for kind in KINDS.values()}


def revision_json(revision: Revision, current: int) -> Json:
    """Return the JSON of a revision without its configuration."""
    document: Json = {
        "revision": revision.number,
        "at": revision.at,
        "who": revision.who,
        "why": revision.why,
        "summary": revision.summary,
        "objectives": list(revision.objectives),
        "current": revision.number == current,
    }
    return document | ({"restores": revision.restores} if revision.restores else {})


async def list_revisions(call: ApiCall) -> ApiResponse:
    since, until = day_range(call)
    objective = slug(call.query.get("objective", ""))
    author, limit, before = call.query.get("author", ""), call.query["limit"], page_start(call)
    store, current = call.gateway.store, call.gateway.publisher.revision
    # The store is read in a thread: it waits for a write that is under way, and requests are served meanwhile.
    page = await asyncio.to_thread(
        lambda: store.revisions(
            since=since, until=until, author=author, objective=objective, limit=limit, before=before
        )
    )
    return page_response([revision_json(revision, current) for revision in page.rows], page)


async def get_revision(call: ApiCall) -> ApiResponse:
    revision = await asyncio.to_thread(call.gateway.publisher.stored.revision, call.path["revision"])
    document = revision_json(revision, call.gateway.publisher.revision)
    return ApiResponse(body={**document, "configuration": dict(revision.document)})


async def diff_revision(call: ApiCall) -> ApiResponse:
    number = call.path["revision"]
    start = call.query.get("from", number - 1)
    # In a thread: the store may be busy with a write, and requests are served meanwhile.
    rows = await asyncio.to_thread(_difference_rows, call.gateway.publisher, start, number)
    return ApiResponse(body={"from": start, "to": number, "differences": rows})


def _difference_rows(publisher: Publisher, start: int, number: int) -> list[Json]:
    before, after = publisher.stored.differing_parts(start, number)
    return [difference_json(change) for change in diff(before, after)]


def difference_json(change: Difference) -> Json:
    """Return a Difference as answers have it, with the object before and after."""
    kind, row = _BY_PLURAL[change.kind], _difference_summary(change)
    for name, item in (("before", change.before), ("after", change.after)):
        if item is not None:
            row[name] = kind.encode(item, False)
    return row


def _difference_summary(change: Difference) -> Json:
    where, fields = f"{change.kind}.{change.name}", list(change.fields)
    return {"where": where, "change": change.change, "text": change.text, "fields": fields}


async def roll_back_to_revision(call: ApiCall) -> ApiResponse:
    publisher, number = call.gateway.publisher, call.path["revision"]
    revision = await publisher.roll_back(number, **call.change_options)
    return revision_response(call, revision)


async def roll_back_objective(call: ApiCall) -> ApiResponse:
    publisher = call.gateway.publisher
    name = call.stored_name("objective")
    revision = await publisher.undo(name, **call.change_options)
    return revision_response(call, revision)


def revision_response(call: ApiCall, revision: Revision) -> ApiResponse:
    """Return the answer to an operation that published a revision."""
    body = revision_json(revision, call.gateway.publisher.revision)
    return ApiResponse(body=body, headers=etag_header(revision.number), revision=revision.number)


async def get_configuration(call: ApiCall) -> ApiResponse:
    """Return everything that decides, or wait until it is another revision than the reader's.

    Who waits gets a weak tag of the content too: a store that was restored has the same number for other rules.
    """
    return await answer_when_changed(call, _configuration_response)


async def _configuration_response(call: ApiCall, if_none_match: str) -> ApiResponse:
    tag = etag_header(call.gateway.publisher.current.table.revision)
    # Before the document is encoded: one of 10,000 rules takes long, and is asked for again and again.
    if is_current(if_none_match, tag["ETag"]):
        return not_modified(tag["ETag"])
    revision, content, digest = await call.gateway.routing_state.whole_document()
    if call.query.get("wait"):
        tag = {"ETag": f'W/"{revision}-{digest[:_TAG_CHARS]}"'}
        # Another revision may have come while this one was encoded.
        if is_current(if_none_match, tag["ETag"]) and revision == call.gateway.publisher.current.table.revision:
            return not_modified(tag["ETag"])
    else:
        tag = etag_header(revision)
    return ApiResponse(body=content, headers={**tag, "Repr-Digest": f"sha-256=:{digest}:"})


async def replace_configuration(call: ApiCall) -> ApiResponse:
    replacement = await asyncio.to_thread(decode_configuration, call.body)
    options = call.change_options
    if options["expected"] is None:
        options["expected"] = call.body.get("revision")
    revision = await call.gateway.publisher.change_versions(
        lambda before: replace_all(before, replacement),
        **options,
    )
    return revision_response(call, revision)


def replace_all(before: Configuration, replacement: Configuration) -> Configuration:
    """Return the configuration that a document makes in the place of another. GatewayProblem 422 when it is refused."""
    # An empty document is a mistake far more often than the wish to stop all traffic.
    if before.objectives and not replacement.objectives:
        message, hint = "it would leave no objective, and fail all traffic", "delete objectives one by one"
        issue = Issue.error("body.objectives", message, hint, "no-objectives")
        raise unprocessable([issue], code="invalid_configuration")
    return keep_buckets(before, replacement)


def keep_buckets(before: Configuration, after: Configuration) -> Configuration:
    """Return `after`, in which splits without buckets keep those of `before`, and new ones are allocated."""
    # A document that a person wrote has no buckets. Allotted anew they would move users who may stay.
    rules = {
        name: rule
        if any(share.buckets for share in rule.shares)
        else replace(rule, shares=_retain_buckets(before.rules.get(name), rule.shares))
        for name, rule in after.rules.items()
    }
    experiments = dict(after.experiments)
    for name, experiment in after.experiments.items():
        old = before.experiments.get(name)
        if not any(cell.buckets for cell in experiment.cells):
            experiments[name] = replace(experiment, cells=_retain_buckets(old, experiment.cells))
        if old is not None and not experiment.buckets and old.layer == experiment.layer:
            experiments[name] = replace(experiments[name], buckets=old.buckets)
    for layer in {experiment.layer for experiment in experiments.values() if experiment.layer}:
        experiments |= allocate_layer(experiments, layer)
    return replace(after, rules=rules, experiments=experiments)


def _retain_buckets(old: Rule | Experiment | None, shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """Return the shares with the buckets that they have in the old rule or experiment."""
    if old is None:
        return with_buckets(shares)
    return allocate(with_buckets(old.shares if isinstance(old, Rule) else old.cells), shares)


async def check_configuration(call: ApiCall) -> ApiResponse:
    publisher, library = call.gateway.publisher, call.gateway.library
    replacement = await asyncio.to_thread(decode_configuration, call.body)
    # What may read archives of somebody else's server must not take the threads that requests need.
    sources = await asyncio.to_thread(library.new_sources, replacement, publisher.current.configuration)
    loop = asyncio.get_running_loop()
    executor = library.executor if any(map(is_url, sources)) else None
    body = await loop.run_in_executor(executor, _plan_json, publisher, replacement, call.is_admin)
    return ApiResponse(body=body)


def _plan_json(publisher: Publisher, replacement: Configuration, is_admin: bool) -> Json:
    plan = publisher.plan(lambda before: replace_all(before, replacement), is_admin=is_admin)
    return {
        "issues": [issue_json(issue) for issue in plan.issues],
        "revision": plan.revision,
        # The objects before and after would be two more configurations.
        "differences": [_difference_summary(difference) for difference in plan.differences],
    }
