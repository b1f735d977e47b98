"""The operations on outcomes, and on the cost policy that an objective learns from them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from statistics import fmean
from typing import Any

from xxhash import xxh3_64_intdigest

from nlapi.errors import Issue
from nlapi.gateway.admin.api_call import ApiCall, ApiResponse, day_range, page_response, page_start
from nlapi.gateway.admin.crud import POSITION_STEP
from nlapi.gateway.admin.decisions import find_objective
from nlapi.gateway.admin.revisions import revision_response
from nlapi.gateway.control.access import format_time, utc_now
from nlapi.gateway.control.codec import Json, slug
from nlapi.gateway.http.problems import GatewayProblem, unknown_object, unprocessable
from nlapi.routing.change import remove_entity, upsert_entity
from nlapi.routing.costs import CostTerms, RatedAnswer, cost_rules, floor_violation, learn, simulate_costs
from nlapi.routing.model import Configuration, Objective, Rule, VersionRef

# What spending goes back to unless a day is named: a gateway of many clients has a million sums of a year.
SPENDING_PERIOD = timedelta(days=30)
# One of five requests is held out of what a simulation learns on.
_HELD_OUT = 5
# Buckets that a simulation lists; the estimates of all are in the policy.
_MAX_LINES = 100


async def record_outcomes(call: ApiCall) -> ApiResponse:
    """Store what came of answers: feedback on requests that were served here, or outcomes from elsewhere."""
    await call.gateway.flush()  # a client may rate the answer that it just got
    rows = await asyncio.to_thread(_outcome_rows, call)
    await asyncio.to_thread(call.gateway.store.add_outcomes, rows)
    return ApiResponse(body={"recorded": len(rows)})


def _outcome_rows(call: ApiCall) -> list[Json]:
    now, rows, issues = format_time(utc_now()), [], []
    for index, entry in enumerate(call.body["outcomes"]):
        location = f"body.outcomes[{index}]"
        missing = [name for name in ("objective", "model", "version", "dollars") if name not in entry]
        if ("quality" in entry) == ("right" in entry):
            issues.append(Issue.error(location, "it has quality, or else right", rule="quality"))
        elif "request_id" in entry:
            record = call.gateway.store.decision(entry["request_id"])
            if record is None or (call.caller.client and record.get("client") != call.caller.client):
                issues.append(
                    Issue.error(f"{location}.request_id", "nothing is recorded of it", rule="unknown-request")
                )
            else:
                rows.append(_of_record(record) | _rating(entry) | {"at": now})
        elif call.caller.client:
            issues.append(Issue.error(location, "a client rates its own requests: give request_id", rule="request-id"))
        elif missing:
            message = f"without a request_id it needs {', '.join(missing)} too"
            issues.append(Issue.error(location, message, rule="outcome"))
        else:
            names = {name: slug(entry[name]) for name in ("objective", "model", "version")}
            rows.append({"context": {}, **entry, **names, **_rating(entry), "at": now})
            rows[-1].pop("source", None)  # the gateway's alone to say
    if issues:
        raise unprocessable(issues)
    return rows


def _rating(entry: Mapping[str, Any]) -> Json:
    """Return the sender's feedback: the quality of the answer, and the question that it answers."""
    quality = entry["quality"] if "quality" in entry else float(entry["right"])
    return {"quality": quality} | {name: entry[name] for name in ("question",) if name in entry}


def _of_record(record: Mapping[str, Any]) -> Json:
    """Return what a recorded decision tells of an outcome."""
    answered_by = VersionRef.parse(record.get("answered_by") or f"{record['model']}@{record['version']}")
    usage = record.get("usage", {})
    return {
        "request_id": record["request_id"],
        "objective": record["objective"],
        "model": answered_by.model,
        "version": answered_by.version,
        "context": record["context"],
        "dollars": usage.get("cost_usd", 0.0),
        "tokens": usage.get("input_tokens", 0) + usage.get("output_tokens", 0),
        "seconds": round(record["total_ms"] / 1000, 6),
    }


async def list_outcomes(call: ApiCall) -> ApiResponse:
    """Return a page of recorded outcomes."""
    objective, limit, before = slug(call.query.get("objective", "")), call.query["limit"], page_start(call)
    page = await asyncio.to_thread(call.gateway.store.outcomes, objective, limit=limit, before=before)
    return page_response(page.rows, page)


async def list_spending(call: ApiCall) -> ApiResponse:
    """Return the usage of language models, in sums by day, objective, version or client."""
    await call.gateway.flush()  # an answer that a client just got counts
    since, until = day_range(call)
    since = since or f"{utc_now() - SPENDING_PERIOD:%Y-%m-%d}"
    equal = {name: slug(call.query.get(name, "")) for name in ("objective", "model", "version", "client")}
    rows, total, is_cut = await asyncio.to_thread(
        call.gateway.store.spending.totals,
        call.query["by"],
        equal,
        since=since,
        until=until,
        limit=call.query["limit"],
    )
    return ApiResponse(body={"data": rows, "total": total, "truncated": is_cut})


def policy_outcomes(rows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> list[RatedAnswer]:
    """Return the outcomes of rows that have all fields in their context.

    Of a request that is rated twice it is the last rating of its client, and the judge's only without one.
    """
    counted: dict[str, Mapping[str, Any]] = {}
    for number, row in enumerate(rows):  # the newest first
        key = row.get("request_id") or f"\0{number}"
        if key not in counted or ("source" in counted[key] and "source" not in row):
            counted[key] = row
    return [
        RatedAnswer(
            bucket=tuple(row["context"][name] for name in fields),
            version=VersionRef(model=row["model"], version=row["version"]),
            quality=row["quality"],
            dollars=row["dollars"],
            question=row.get("question") or row.get("request_id", ""),
        )
        for row in counted.values()
        if all(name in row["context"] for name in fields)
    ]


def _learnable(call: ApiCall, objective: Objective) -> list[RatedAnswer]:
    """Return the outcomes of versions that the configuration still has. GatewayProblem 422 for an unknown field."""
    declared = {field.name for field in objective.context}
    for name in (*call.body["fields"], *([call.body["unit"]] if "unit" in call.body else ())):
        if name not in declared:
            raise unknown_object("field", name, declared)
    versions = call.gateway.publisher.current.configuration.versions
    rows = call.gateway.store.outcomes(objective.name).rows
    return [entry for entry in policy_outcomes(rows, call.body["fields"]) if entry.version in versions]


def _terms(call: ApiCall) -> CostTerms:
    names = ("floor", "margin", "explore_percent")
    return CostTerms(**{name: call.body[name] for name in names if name in call.body})


async def simulate_cost_policy(call: ApiCall) -> ApiResponse:
    """Return what a policy that is learned on four of five requests does on the others."""
    objective = find_objective(call)
    return ApiResponse(body=await asyncio.to_thread(_simulated, call, objective))


def _simulated(call: ApiCall, objective: Objective) -> Json:
    learned: list[RatedAnswer] = []
    tested: list[RatedAnswer] = []
    for number, entry in enumerate(_learnable(call, objective)):
        is_held = xxh3_64_intdigest(f"held {entry.question or number}".encode()) % _HELD_OUT == 0
        (tested if is_held else learned).append(entry)
    simulation = simulate_costs(learn(learned, _terms(call)), tested)
    fields, policy = call.body["fields"], simulation.policy
    lines = [policy.explain(fields, bucket) for bucket in sorted(policy.shares, key=str)]
    listed = "\n".join(lines[:_MAX_LINES])
    rest = f"\n{len(lines) - _MAX_LINES} more" if len(lines) > _MAX_LINES else ""
    return {
        "requests": simulation.requests,
        "fixed": str(policy.fixed or ""),
        "rows": [
            {
                "name": row.name,
                "quality": round(row.quality, 4),
                "dollars": round(row.dollars, 9),
                "kept": round(100 * simulation.kept_quality(row.name), 2),
                "saved": round(100 * simulation.saved(row.name), 2),
            }
            for row in simulation.rows
        ],
        "text": f"{simulation}\n{listed}{rest}",
    }


async def publish_cost_policy(call: ApiCall) -> ApiResponse:
    """Learn a policy from all outcomes, and let the objective follow it from the next request on."""
    objective = find_objective(call)
    policy = await asyncio.to_thread(lambda: learn(_learnable(call, objective), _terms(call)))

    def edit(configuration: Configuration) -> Configuration:
        configuration = without_policy(configuration, objective.name)
        others = [rule.position for rule in configuration.rules.values() if rule.objective == objective.name]
        rules = cost_rules(
            policy,
            name=f"{objective.name[:50]}-cost",
            objective=objective.name,
            fields=call.body["fields"],
            unit=call.body.get("unit", "user"),
            position=max(others, default=-POSITION_STEP) + POSITION_STEP,
            since=format_time(utc_now()),
        )
        for rule in rules:
            configuration = upsert_entity(configuration, rule)
        return configuration

    await call.gateway.publisher.change(edit, **call.change_options)
    return await get_cost_policy(call)


def policy_rules(configuration: Configuration, objective: str) -> tuple[Rule, ...]:
    """Return the rules of an objective's cost policy, in their order."""
    rules = (rule for rule in configuration.rules.values() if rule.objective == objective and rule.cost is not None)
    return tuple(sorted(rules, key=lambda rule: rule.position))


def without_policy(configuration: Configuration, objective: str) -> Configuration:
    """Return the configuration without the rules of an objective's cost policy."""
    for rule in policy_rules(configuration, objective):
        configuration = remove_entity(configuration, "rules", rule.name)
    return configuration


async def get_cost_policy(call: ApiCall) -> ApiResponse:
    """Return the policy that an objective follows, with what came of it so far. GatewayProblem 404 without one."""
    objective = find_objective(call)
    rules = policy_rules(call.gateway.publisher.current.configuration, objective.name)
    if not rules or rules[-1].cost is None:
        hint = "learn one by PUT /v1/objectives/{objective}/cost-policy"
        raise GatewayProblem(404, f"{objective.name} has no cost policy", code="unknown_policy", hint=hint)
    cost = rules[-1].cost
    outcomes = await asyncio.to_thread(live_outcomes, call.gateway.store, rules)
    observed: Json = {"outcomes": len(outcomes)}
    if outcomes:
        observed |= {
            "quality": round(fmean(entry.quality for entry in outcomes), 4),
            "dollars": round(sum(entry.dollars for entry in outcomes), 9),
        }
    return ApiResponse(
        body={
            "objective": objective.name,
            "fields": list(cost.fields),
            "floor": round(cost.floor, 4),
            "since": cost.since,
            "observed": observed,
            "problem": floor_violation(rules, outcomes),
            "buckets": list(_bucket_rows(rules)),
        }
    )


def live_outcomes(store: Any, rules: Sequence[Rule]) -> list[RatedAnswer]:
    """Return the outcomes of requests that were served here since a policy was published."""
    cost = next(rule.cost for rule in rules if rule.cost is not None)
    rows = store.outcomes(rules[0].objective, since=cost.since).rows
    return policy_outcomes((row for row in rows if "request_id" in row), cost.fields)


def _bucket_rows(rules: Sequence[Rule]) -> Iterator[Json]:
    for rule in rules:
        percents = {share.version: share.percent for share in rule.shares}
        for entry in rule.cost.estimates if rule.cost else ():
            yield {
                "bucket": list(entry.bucket),
                "version": str(entry.version),
                "percent": percents.get(entry.version, 0.0),
                "quality": round(entry.quality, 4),
                "dollars": round(entry.dollars, 9),
                "outcomes": entry.outcomes,
            }


async def remove_cost_policy(call: ApiCall) -> ApiResponse:
    """Let an objective decide by its other rules and its default again."""
    objective = find_objective(call)

    def edit(configuration: Configuration) -> Configuration:
        return without_policy(configuration, objective.name)

    return revision_response(call, await call.gateway.publisher.change(edit, **call.change_options))
