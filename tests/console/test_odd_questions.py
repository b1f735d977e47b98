"""Questions as nobody hopes for them: ten thousand at once, texts that run backwards, values of megabytes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nlapi.local_sockets import bind
from nlapi.mcp.terminal_questions import SUFFIX, questions_folder, waiting_questions
from tests.console.kit import console
from tests.console.test_local_pages import DESCRIPTION
from tests.mcp.kit import ERAS, started, text
from tests.servers import Echo, Reply

BACKWARDS = "שלום \u202e<b>gnp.tac"
MANY = 10_000


@contextmanager
def asked(number: int) -> Iterator[None]:
    """Let another server of this user ask that many questions; all of its text is its own."""
    questions = [
        {"code": f"c{n:05}", "title": BACKWARDS, "text": BACKWARDS, "digest": "d", "seconds": n} for n in range(number)
    ]
    message = json.dumps({"questions": questions}).encode() + b"\n"
    questions_folder().mkdir(parents=True)
    listener = bind(questions_folder(), f"1-0badcafe{SUFFIX}")

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1000)
                connection.sendall(message)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(2)
        listener.close()
        thread.join()


def test_ten_thousand_questions_stand_on_pages_of_fifty() -> None:
    with asked(MANY), console() as served:
        browser = served.paired()
        first = browser.get("/waiting")
        assert first.count('href="/waiting/c') == 50
        assert f"({MANY})" in first
        assert "c09999" in browser.get(f"/waiting?page={MANY // 50}")
        assert (browser.get("/waiting?page=99999999"), browser.status)[1] == 200
        shown = browser.get("/waiting/c09999")
        assert "Send it" in shown
        # No markup, and nothing that turns round what stands behind it.
        assert "<b>" not in shown
        assert "\u202e" not in shown
        assert "שלום" in shown


@pytest.mark.slow  # some seconds for 5 MB
def test_a_value_of_five_megabytes_is_shown_shortened_and_sent_whole(tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(DESCRIPTION))
    name = BACKWARDS + "x" * 5_000_000

    async def talk(url: str) -> None:
        async with started(str(file), "--base-url", url, "--no-auth", mode=ERAS[1]) as client:
            answer = await client.call_tool("updateItem", {"item_id": "item_7h2k9q4m", "name": name})
            assert len(text(answer)) < 2_000
            (question,) = await asyncio.to_thread(waiting_questions)
            browser = await asyncio.to_thread(served.paired)
            shown = await asyncio.to_thread(browser.get, f"/waiting/{question.code}")
            assert len(shown) < 10_000
            assert "characters)" in shown
            await asyncio.to_thread(browser.press, "Send it")
            assert "the API answered 200" in browser.text

    with Echo(lambda _: Reply(200, {"id": "item_7h2k9q4m", "name": "Blue Vase"})) as api, console() as served:
        asyncio.run(talk(api.url))
        (change,) = [request for request in api.received if request.method != "GET"]
        assert change.json() == {"name": name}
