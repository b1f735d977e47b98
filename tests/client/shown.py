"""An answer as the parts of nlapi/client/truncate.py make it for a model, in one text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from nlapi.client.message import Result
from nlapi.client.safe_text import strip_control
from nlapi.client.truncate import NOTE_KEY, PlainText, answer_frame, body_tree, dump_json, fit_data, project


def truncate(result: Result, *, limit: int = 20_000, fields: Sequence[str] = ()) -> str:
    """Return `{"status", "note", "data"}` as JSON text of at most `limit` characters (1,000 at least, for its frame).

    Arrays, objects, strings and depth are cut until it fits, each with a note that says so. `fields` selects these
    dotted paths of the data, through arrays. Text that is not JSON becomes `{"content_type", "text"}`, binary data its
    type and size. Always strict JSON: NaN and Infinity become null. The data of a streaming answer are its items; where
    it was cut, `stream` says after how much, and that it went on.
    """
    frame = answer_frame(result)
    tree = body_tree(result)
    data: object = tree.as_dict() if isinstance(tree, PlainText) else tree
    missing: list[str] = []
    with suppress(RecursionError):
        data, missing = project(data, fields)
    if missing:
        frame[NOTE_KEY] = strip_control(f"nothing here is called {', '.join(missing)}")[:300]
    room = max(limit - len(dump_json({**frame, "data": 0})), 0)
    return dump_json({**frame, "data": fit_data(data, room, len(result.content))})
