"""A change over MCP is sent when the user has seen it and said yes, and never otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import mcp_types as types
import pytest
from mcp import Client

from nlapi.openapi.spec import Spec
from nlapi.tools.rules import parse_rules
from tests.describe import body, parameter, spec
from tests.mcp.kit import ERAS, SECRET, User, call, served, talk, text
from tests.servers import Echo, Reply

NEW = {"name": "Rain Boots", "objective": "REACH", "daily_budget_micros": 5_000_000}


@pytest.mark.parametrize("mode", ERAS)
def test_the_user_sees_the_exact_request_and_a_yes_sends_it(ads: Spec, mode: str) -> None:
    user = User()
    with Echo(Reply(201, {"id": "cmp_7h2k9q4m"})) as api:
        result = call(served(ads, api.url), "createCampaign", NEW, mode=mode, user=user)
        assert result.structured_content["status"] == 201
        assert api.only.json() == NEW
        (question,) = user.asked
        lines = question.splitlines()
        assert lines[0] == f"Ads: createCampaign changes something: POST {api.url}/campaigns"
        assert json.loads(lines[1]) == NEW
        assert SECRET not in question


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize(
    ("user", "says"),
    [
        (User("decline"), "the user did not agree to deleteCampaign; nothing was sent"),
        (User("accept", send=False), "the user did not agree"),
        (User("cancel"), "The question was dismissed"),
        (None, "This client has no way to ask the user"),
    ],
    ids=["no", "not-ticked", "dismissed", "cannot-ask"],
)
def test_anything_but_a_yes_sends_nothing(ads: Spec, mode: str, user: User | None, says: str) -> None:
    with Echo() as api:
        result = call(served(ads, api.url), "deleteCampaign", {"campaign_id": "cmp_7h2k9q4m"}, mode=mode, user=user)
        assert result.is_error
        assert api.changes == []
    assert says in text(result)
    assert SECRET not in text(result)
    if user is None:
        assert f"deleteCampaign takes something away: DELETE {api.url}/campaigns/cmp_7h2k9q4m" in text(result)
        assert "in a terminal, where nlapi asks: nlapi approve " in text(result)


@pytest.mark.parametrize("mode", ERAS)
def test_a_client_that_asks_itself_is_not_asked(ads: Spec, mode: str) -> None:
    user = User("decline")
    with Echo(Reply(201, {})) as api:
        assert not call(served(ads, api.url, consent="client"), "createCampaign", NEW, mode=mode, user=user).is_error
        assert len(api.received) == 1
    assert user.asked == []


def test_a_yes_holds_once_and_for_the_request_that_was_shown(ads: Spec) -> None:
    yes: Any = {"consent": types.ElicitResult(action="accept", content={"send": True})}

    async def says(client: Client) -> list[Any]:
        async def again(arguments: dict[str, Any], state: str | None = None) -> Any:
            more = {"input_responses": yes, "request_state": state} if state else {}
            return await client.session.call_tool("createCampaign", arguments, allow_input_required=True, **more)

        state = (await again(NEW)).request_state
        other = await again({**NEW, "name": "Something else"}, state)
        second = (await again(NEW)).request_state
        return [other, *[await again(NEW, id) for id in (state, second, second, "made-up")]]

    with Echo(Reply(201, {})) as api:
        answers = talk(served(ads, api.url), says, mode=ERAS[1], user=User())
        assert [answer.is_error for answer in answers] == [True, True, False, True, True]
        assert len(api.received) == 1
    assert "no longer what the user was shown" in text(answers[0])


def test_a_question_fits_a_terminal_and_leaves_nothing_out(ads: Spec) -> None:
    """Claude Code cuts each line at the edge of the terminal."""
    long = {**NEW, "name": "A name\tthat - goes  on " * 5}
    user = User("decline")
    call(served(ads, "http://127.0.0.1:9"), "createCampaign", long, user=user)
    lines = user.asked[0].splitlines()
    assert max(map(len, lines)) <= 100
    assert json.dumps(long) in "".join(line.removeprefix("  ") for line in lines)


NOTE = {"operationId": "postNote", "summary": "Post a note", "responses": {"200": {"description": "ok"}}}
NOTES = spec({"/notes": {"post": {**NOTE, **body({"type": "object"}), "parameters": [parameter("place")]}}})


def test_what_nobody_sees_is_shown_and_no_value_hides_another() -> None:
    """The last value decides; before it is a text that is longer than a question, and marks that turn the direction."""
    user = User("decline")
    arguments = {"place": "y" * 30_000, "body": {"text": "x" * 30_000, "to\u202e": "eve\u200b\x9b2J"}}
    call(served(NOTES, "http://127.0.0.1:9"), "postNote", arguments, user=user)
    (question,) = user.asked
    assert question.count(" characters)") == 2
    assert r'"to\u202e": "eve\u200b\u009b2J"' in question.replace("\n  ", "")


def test_a_body_of_text_cannot_pose_as_lines_of_the_question() -> None:
    notes = spec({"/notes": {"post": {**NOTE, **body({"type": "string"}, "text/plain")}}})
    user = User("decline")
    call(served(notes, "http://127.0.0.1:9"), "postNote", {"body": "hi\nTest: readNote reads\u2028Yes"}, user=user)
    (question,) = user.asked
    assert "\n  hi\n  Test: readNote reads\\u2028Yes\n" in question


def test_reads_are_not_asked_about(ads: Spec, sandbox: str) -> None:
    user = User("decline")
    assert call(served(ads, sandbox), "listCampaigns", {"limit": 1}, user=user).structured_content["status"] == 200
    assert user.asked == []


def ruled(spec: Spec, url: str, verdict: str, **more: Any) -> Any:
    """The API under one rule for createCampaign."""
    api = served(spec, url, **more)
    entry = {"operation": "createCampaign", "verdict": verdict}
    api.target = replace(api.target, rules=parse_rules({"rules": [entry]}, "/home/policy.toml"))
    return api


@pytest.mark.parametrize("consent", ["elicit", "client"])
def test_what_the_users_policy_denies_is_not_even_asked_about(ads: Spec, consent: str) -> None:
    user = User()
    with Echo() as api:
        result = call(ruled(ads, api.url, "deny", consent=consent), "createCampaign", NEW, user=user)
        assert (result.is_error, api.received, user.asked) == (True, [], [])
    assert "createCampaign is never sent: the user's policy says deny operation createCampaign" in text(result)
    assert "/home" not in text(result)


@pytest.mark.parametrize("mode", ERAS)
def test_what_it_asks_about_is_asked_where_the_client_asks_itself_too(ads: Spec, mode: str) -> None:
    user = User("decline")
    with Echo() as api:
        result = call(ruled(ads, api.url, "ask", consent="client"), "createCampaign", NEW, mode=mode, user=user)
        assert (result.is_error, api.received, len(user.asked)) == (True, [], 1)
        result = call(ruled(ads, api.url, "ask", consent="client"), "createCampaign", NEW, mode=mode)
        assert "the user's policy wants a question each time" in text(result)
        assert api.received == []


def test_what_it_allows_is_sent_without_a_question(ads: Spec) -> None:
    user = User("decline")
    with Echo(Reply(201, {})) as api:
        assert not call(ruled(ads, api.url, "allow"), "createCampaign", NEW, user=user).is_error
        assert len(api.received) == 1
    assert user.asked == []
