"""Tokens and the audit log."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial

from nlapi.gateway.access import Audience, Role, described
from nlapi.gateway.admin.call import Answer, Call, Handler, cursor, page_of, period
from nlapi.gateway.codec import Json, slug
from nlapi.gateway.kept import TokenRecord
from nlapi.gateway.problem import not_found, unprocessable
from nlapi.issue import Issue


def token_json(token: TokenRecord) -> Json:
    said = {"name": token.name, "audience": token.audience, "role": token.role, "client": token.client}
    times = {"created_at": token.created_at, "expires_at": token.expires_at}
    return {name: value for name, value in said.items() if value} | times


async def list_(call: Call) -> Answer:
    audience, part = call.query.get("audience"), call.query.get("name", "").lower()
    tokens = await asyncio.to_thread(call.gateway.store.tokens)
    rows = [token_json(one) for one in tokens if audience in (None, one.audience) and part in one.name.lower()]
    return page_of(rows, call)


async def create(call: Call) -> Answer:
    body, audience = call.body, Audience(call.body["audience"])
    stray = "client" if audience is Audience.ADMIN else "role"
    if stray in body:
        message = f"a token of the {audience} audience has no {stray}"
        raise unprocessable([Issue.error(f"body.{stray}", message, rule="token")])
    role = Role(body["role"]) if "role" in body else None
    client, days = slug(body.get("client", "")), body.get("days", 0)
    make, name = call.gateway.access.make, slug(body["name"])
    record, secret = await asyncio.to_thread(make, name, audience, role=role, client=client, days=days)
    return Answer(body={**token_json(record), "token": secret}, status=201, told=described(record))


async def revoke(call: Call) -> Answer:
    name = call.name("name")
    found = await asyncio.to_thread(call.gateway.access.revoke, name)
    if found is None:
        raise not_found("token", name, (one.name for one in await asyncio.to_thread(call.gateway.store.tokens)))
    return Answer(body=token_json(found), told=described(found))


async def audit(call: Call) -> Answer:
    since, until = period(call)
    who, outcome = call.query.get("author", ""), call.query.get("outcome", "")
    limit = call.query["limit"]
    query = partial(call.gateway.store.entries, since=since, until=until, who=who, outcome=outcome)
    page = await asyncio.to_thread(query, limit=limit, before=cursor(call))
    after = str(page.next) if page.next else None
    rows = [asdict(entry) for entry in page.rows]
    return Answer(body={"data": rows, "page": {"next_cursor": after, "total": page.total}})


HANDLERS: dict[str, Handler] = {
    "listTokens": list_,
    "createToken": create,
    "revokeToken": revoke,
    "listAuditEntries": audit,
}
