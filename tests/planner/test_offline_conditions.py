"""Conditions, groups, orders and the first few that no API was asked for: the table shows what the sentence says."""

from __future__ import annotations

from typing import Any

import nlapi
from nlapi.resources.identity import name_of
from nlapi.tools.answers.view import AnswerView
from tests.planner.kit import talk
from tests.planner.lists import ALERTS, CAMPAIGNS, CONTAINERS, PODS, PULLS, REPOS, TICKETS, asked, things
from tests.tables import table


def names(view: AnswerView) -> str:
    return " ".join(name_of(row) for row in view.rows)


# ---- which things are meant ------------------------------------------------------------------------------------------


@table(
    ("question", "shown", "condition"),
    [
        ("show the alerts with severity critical", "HighLoad HighLoad", "severity critical"),
        ("show critical or warning alerts", "HighLoad DiskFull HighLoad", "severity critical or warning"),
        ("alerts that are not critical", "DiskFull CertExpiry", "severity not critical"),
        ("suppressed warning alerts", "DiskFull", "state suppressed and severity warning"),
        ("alerts on web-1:9100", "HighLoad", "instance web-1:9100"),
        ("alerts with severity blue", "", "severity blue"),
        ("critical alerts since today", "HighLoad", "starts at since today and severity critical"),
    ],
)
def test_alerts_are_told_apart_by_labels_and_states(question: str, shown: str, condition: str) -> None:
    view = asked(question, "/alerts", ALERTS)
    assert names(view) == shown
    assert view.text.startswith(f"{len(shown.split())} of 4 alerts with {condition}")


@table(
    ("question", "shown", "condition"),
    [
        ("how many pods are running in kube-system?", "coredns-1 coredns-2", "phase Running and namespace kube-system"),
        ("pods that are pending or failed", "proxy-1 etl-1", "phase Pending or Failed"),
        ("which pods aren't running?", "proxy-1 etl-1 etl-2", "phase not Running"),
        ("running pods outside kube-system", "web-1 web-2", "phase Running and namespace not kube-system"),
        ("pods in the shop namespace", "web-1 web-2", "namespace shop"),
        ("pods scheduled on node node-2", "coredns-2 web-2 etl-1", "node name node-2"),
        ("pods with label app web", "web-1 web-2", "app web"),
        ("pods started before 12 May 2026", "etl-1", "start time before 12 May 2026"),
        ("pods whose name starts with core", "coredns-1 coredns-2", "name starts with core"),
        ("pods with 'etl' in the name", "etl-1 etl-2", "name contains etl"),
        ("list pods with restart policy Never", "", "restart policy Never"),
    ],
)
def test_pods_are_told_apart_by_nested_fields(question: str, shown: str, condition: str) -> None:
    view = asked(question, "/api/v1/namespaces/default/pods", {"kind": "PodList", "items": PODS})
    assert names(view) == shown
    assert view.text.startswith(f"{len(shown.split())} of 7 pods with {condition}")


@table(
    ("question", "shown", "condition"),
    [
        ("how many campaigns are not paused?", "Summer Spring Autumn", "status not paused"),
        ("active sales campaigns", "Spring Autumn", "status active and objective sales"),
        ("campaigns with a budget between 15 and 60 dollars", "Summer Winter", "daily budget between 15 and 60"),
        ("campaigns with a budget of at least $80", "Spring Always", "daily budget at least $80"),
        ("campaigns with a daily budget over 30 dollars", "Summer Spring Always", "daily budget over 30"),
        ("campaigns with a daily budget of 50 dollars", "Summer", "daily budget 50"),
        ("campaigns created this week", "Autumn", "created at this week"),
        ("campaigns created before May", "Winter Always", "created at before May"),
        ("campaigns from last year", "Always", "created at from last year"),
        ("campaigns older than 10 days", "Summer Winter Always", "created at older than 10 days"),
        ("show me Summer and Winter", "Summer Winter", "name Summer or Winter"),
        ("campaigns called Summer", "Summer", "name Summer"),
        ("running campaigns", "Summer Spring Autumn", "status active"),
    ],
)
def test_campaigns_are_told_apart_by_states_amounts_and_times(question: str, shown: str, condition: str) -> None:
    view = asked(question, "/campaigns", CAMPAIGNS)
    assert names(view) == shown
    assert view.text.startswith(f"{len(shown.split())} of 5 campaigns with {condition}")


@table(
    ("question", "path", "listed", "shown"),
    [
        ("unassigned tickets", "/tickets", TICKETS, "Printer"),
        ("tickets without an organization", "/tickets", TICKETS, "Printer"),
        ("tickets with tag enterprise", "/tickets", TICKETS, "Help Refund"),
        ("tickets requested by 20978392", "/tickets", TICKETS, "Help Refund"),
        ("how many open high priority tickets?", "/tickets", TICKETS, "Help Refund"),
        ("which repos are not archived?", "/repos", REPOS, "hello"),
        ("private repos", "/repos", REPOS, "world"),
        ("public repos", "/repos", REPOS, "hello"),
        ("forks", "/repos", REPOS, "world"),
        ("python repos with more than 50 stars", "/repos", REPOS, "hello"),
        ("repos with open issues", "/repos", REPOS, "world"),
        ("repos with no description", "/repos", REPOS, "world"),
        ("repos with topic cli", "/repos", REPOS, "hello"),
        ("open pulls by ada", "/pulls", PULLS, "Fix the build"),
        ("pulls not in draft", "/pulls", PULLS, "Fix the build"),
        ("merged pulls", "/pulls", PULLS, ""),
        ("closed pulls", "/pulls", PULLS, "Add tests"),
        ("pulls labelled bug", "/pulls", PULLS, "Fix the build"),
        ("exited containers", "/containers/json", CONTAINERS, "db"),
        ("containers with image redis:7", "/containers/json", CONTAINERS, "cache"),
        ("containers created since 2026-05-01", "/containers/json", CONTAINERS, "web db"),
        ("issues assigned to Ada Lovelace", "/issues", things("Jira issues"), "Login fails"),
        ("issues in progress", "/issues", things("Jira issues"), "Login fails"),
        ("records with status done", "/records", {"records": things("Airtable records")}, "Write the plan"),
    ],
)
def test_things_of_many_apis_are_told_apart(question: str, path: str, listed: Any, shown: str) -> None:
    view = asked(question, path, listed)
    assert names(view) == shown
    assert "Not applied" not in view.text


# ---- what nothing could be applied of --------------------------------------------------------------------------------


@table(
    ("question", "words"),
    [
        ("show the broken campaigns", "broken"),
        ("campaigns targeting Germany", "targeting Germany"),
        ("campaigns with bad performance", "with bad performance"),
        ("campaigns under 30", "under 30"),
        ("most popular campaign", "most popular"),
        ("which campaigns should I pause?", "pause"),
        ("campaigns sorted by region", "sorted by region"),
        ("campaigns tagged 'spring'", "tagged 'spring'"),
    ],
)
def test_what_could_not_be_applied_is_said(question: str, words: str) -> None:
    view = asked(question, "/campaigns", CAMPAIGNS)
    assert view.text.endswith(f"Not applied: {words} (neither the request nor the answer tells it).")
    assert len(view.rows) == 5
    assert not view.is_certain


def test_a_count_under_a_condition_that_was_not_applied_is_no_answer() -> None:
    view = asked("how many broken campaigns are there?", "/campaigns", CAMPAIGNS)
    assert view.text.startswith("5 campaigns in all: ")
    assert "Not applied: broken" in view.text
    view = asked("are any campaigns broken?", "/campaigns", CAMPAIGNS)
    assert not view.text.startswith(("Yes", "No:"))


@table(
    "question",
    [
        "show me all the campaigns please",
        "which campaigns do we have?",
        "give me an overview of the campaigns",
        "what campaigns are there in the account right now?",
        "list campaign names",
        "how many campaigns do I currently have in total?",
        "show the name and status of all campaigns",
        "everything about the campaigns",
    ],
)
def test_words_that_set_no_condition_are_not_complained_of(question: str) -> None:
    view = asked(question, "/campaigns", CAMPAIGNS)
    assert view.is_certain
    assert len(view.rows) == 5


def test_what_the_request_took_care_of_is_not_complained_of() -> None:
    assert not asked("campaigns of the brand Acme", "/campaigns", CAMPAIGNS).is_certain
    assert asked("campaigns of the brand Acme", "/campaigns", CAMPAIGNS, applied=("brand", "Acme")).is_certain


# ---- counts and groups -----------------------------------------------------------------------------------------------


@table(
    ("question", "text", "rows"),
    [
        (
            "how many alerts per severity?",
            "4 alerts: 2 critical, 1 warning, 1 info.",
            [{"labels.severity": "critical", "count": 2}, {"labels.severity": "warning", "count": 1}],
        ),
        ("count of alerts by state", "4 alerts: 3 active, 1 suppressed.", [{"status.state": "active", "count": 3}]),
        (
            "how many critical alerts are there for each instance?",
            "2 of 4 alerts with severity critical: 1 web-1:9100, 1 web-2:9100.",
            [{"labels.instance": "web-1:9100", "count": 1}],
        ),
        (
            "how many severities are there?",
            "3 severities of 4 alerts: 2 critical, 1 warning, 1 info.",
            [{"labels.severity": "critical", "count": 2}],
        ),
        (
            "how many alerts per state and severity?",
            "4 alerts: active: 2 critical, 1 info; suppressed: 1 warning.",
            [{"status.state": "active", "labels.severity": "critical", "count": 2}],
        ),
    ],
)
def test_things_are_counted_by_a_field(question: str, text: str, rows: list[dict[str, Any]]) -> None:
    view = asked(question, "/alerts", ALERTS)
    assert view.text == text
    assert view.records()[: len(rows)] == rows
    assert sum(row["count"] for row in view.records()) == (2 if "critical alerts" in question else 4)


@table(
    ("question", "text"),
    [
        ("which node has the most pods?", "node-1 has the most pods: 4 (of 7 pods)."),
        ("how many pods by status?", "7 pods: 4 Running, 1 Pending, 1 Failed, 1 Succeeded."),
        ("is etl-1 running?", "No: the pod etl-1 has phase Failed."),
        ("is web-1 running?", "Yes: the pod web-1 has phase Running."),
        ("are all pods running?", "No: 4 of 7 pods with phase Running: coredns-1, coredns-2, web-1, web-2."),
        ("which pod started first?", "etl-1 has the earliest start time: 2026-05-10 08:00 UTC (of 7 pods)."),
    ],
)
def test_pods_are_asked_about(question: str, text: str) -> None:
    assert asked(question, "/pods", {"items": PODS}).text == text


@table(
    ("question", "text"),
    [
        ("how many stars do the repos have?", "2 repos: stargazers count 82 in total; hello, world."),
        ("how many forks do the repos have?", "2 repos: forks count 9 in total; hello, world."),
        ("most starred repo", "hello has the highest stargazers count: 80 (of 2 repos)."),
    ],
)
def test_numbers_of_the_things_are_added_up_and_compared(question: str, text: str) -> None:
    assert asked(question, "/repos", REPOS).text == text


def test_a_sum_is_of_the_things_that_are_meant_and_by_group() -> None:
    view = asked("total daily budget of the active campaigns", "/campaigns", CAMPAIGNS)
    assert view.text == "3 of 5 campaigns with status active: daily budget 140 USD in total; Summer, Spring, Autumn."
    view = asked("total budget per objective", "/campaigns", CAMPAIGNS)
    assert "daily budget in total: reach 190 USD, sales 90 USD" in view.text
    assert view.records() == [
        {"objective": "REACH", "daily budget in total": "190 USD"},
        {"objective": "SALES", "daily budget in total": "90 USD"},
    ]


# ---- order and the first few -----------------------------------------------------------------------------------------


@table(
    ("question", "shown"),
    [
        ("top 3 campaigns by daily budget", "Always Spring Summer"),
        ("the 2 cheapest campaigns", "Autumn Winter"),
        ("the campaign with the highest daily budget", "Always"),
        ("top 2 active campaigns by budget", "Spring Summer"),
        ("cheapest active campaign", "Autumn"),
        ("campaigns sorted by name", "Always Autumn Spring Summer Winter"),
        ("campaigns ordered by budget, highest first", "Always Spring Summer Winter Autumn"),
        ("newest campaigns first", "Autumn Spring Summer Winter Always"),
        ("latest 2 campaigns", "Autumn Spring"),
        ("the first two campaigns", "Summer Winter"),
        ("show 3 campaigns", "Summer Winter Spring"),
        ("the first 2 active campaigns", "Summer Spring"),
        ("the last 2 campaigns", "Autumn Always"),
    ],
)
def test_things_are_put_in_order_and_cut(question: str, shown: str) -> None:
    view = asked(question, "/campaigns", CAMPAIGNS)
    assert names(view) == shown
    assert "Not applied" not in view.text


@table(
    ("question", "columns"),
    [
        ("top 3 campaigns by daily budget", ["name", "daily_budget_micros"]),
        ("campaigns sorted by created at", ["name", "created_at"]),
        ("paused campaigns with a budget over 30", ["name", "daily_budget_micros", "status"]),
        ("objective and currency of the campaigns", ["name", "objective", "currency"]),
        ("list campaigns", ["name"]),
    ],
)
def test_the_fields_that_a_question_is_about_are_always_shown(question: str, columns: list[str]) -> None:
    view = asked(question, "/campaigns", CAMPAIGNS)
    assert list(view.columns[: view.fixed]) == columns


def test_every_row_that_is_shown_is_counted_in_the_sentence() -> None:
    for question in ("active campaigns", "campaigns over $30 a day", "how many campaigns are paused?"):
        view = asked(question, "/campaigns", CAMPAIGNS)
        assert view.text.startswith(f"{len(view.rows)} of 5") or view.text.startswith("5 campaigns")


def test_an_answer_that_leaves_out_a_condition_is_as_unsure_as_a_guess() -> None:
    shelves = [{"id": "sh_1", "name": "Poetry", "status": "ACTIVE"}]
    *_, whole = talk("how many shelves are there?", lambda _: shelves)
    *_, partial = talk("how many dusty shelves are there?", lambda _: shelves)
    assert whole.confidence == 1.0
    assert partial.confidence < 0.4
    assert "Not applied: dusty" in partial.text


def test_an_answer_that_reports_a_failure_lists_nothing() -> None:
    text = "The API answered 200 and reports an error: channel_not_found."
    assert asked("list channels", "/channels", {"ok": False, "error": "channel_not_found"}).text == text


# ---- lists whose description has the field ---------------------------------------------------------------------------


@table(
    ("question", "operation"),
    [
        ("list the campaigns that have a daily budget over 100 dollars", "listCampaigns"),
        ("which campaigns have a budget over 100 dollars?", "listCampaigns"),
        ("list ad sets with a bid above 2 dollars", "listAdSets"),
        ("list campaigns with a daily budget of 65", "listCampaigns"),
        ("list campaigns with a daily budget over 60 and a lifetime budget under 1500", "listCampaigns"),
    ],
)
def test_a_list_is_meant_whose_items_have_what_is_bounded(question: str, operation: str) -> None:
    made = nlapi.plan(question, nlapi.load("ads"))
    (call,) = made.calls
    assert (call.operation_id, call.arguments, made.confidence >= 0.6) == (operation, {}, True)


def test_what_no_item_has_is_not_bounded() -> None:
    assert nlapi.plan("list campaigns with a bid above 2 dollars", nlapi.load("ads")).confidence < 0.4
