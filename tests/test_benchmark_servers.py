"""The sentences for real servers are well formed, and what nlapi printed is judged by what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.servers.command import Reply, read
from benchmarks.servers.printed import table_rows, unfolded
from benchmarks.servers.report import Outcome, line, tables
from benchmarks.servers.sentences import Kind, MalformedError, Sentence, load
from benchmarks.servers.state import difference
from benchmarks.servers.verdict import Verdict, first_number, judge
from tests.tables import table

ZONES = {"zone a.": {"kind": "Native"}, "zone b.": {"kind": "Master"}, "record b. www": {"ttl": 60}}

TABLE = """\
 name   kind     comment
 ───────────────────────────
 a.     Native   moved to
                 the cellar
 b.     Master
"""


def sentence(tmp_path: Path, **entry: Any) -> Sentence:
    """The only sentence of a file."""
    (tmp_path / "dns.yaml").write_text(yaml.safe_dump([{"say": "it", **entry}]), "utf-8")
    return load(tmp_path)["dns"][0]


def reply(
    closing: str = "", *, table: str = TABLE, code: int = 0, error: str = "", changed: int = 0, asked: bool = False
) -> Reply:
    """A reply as it is read from the command; `changed` is the status of the answer to a change that it sent."""
    events: list[dict[str, Any]] = [{"event": "answered", "text": closing}] if closing else []
    if changed:
        request = {"method": "DELETE", "url": "http://127.0.0.1/zones/b."}
        events.append({"event": "proposed", **request, "effect": "destroy"})
        events.append({"event": "stepped", "result": {**request, "status": changed}})
    if asked:
        events.append({"event": "needed", "missing": []})
    return read(code, f"{table}{closing}\n", f"understood: it\nerror: {error}\n" if error else "", events)


def verdict(of: Sentence, answer: Reply, after: dict[str, Any] | None = None) -> Verdict:
    return judge(of, answer, ZONES, ZONES if after is None else after).verdict


def test_the_sentences_of_the_project_are_well_formed() -> None:
    sentences = load()
    assert len(sentences) == 7
    everything = [one for several in sentences.values() for one in several]
    assert len({(one.server, one.text) for one in everything}) == len(everything) >= 200
    reads = sum(one.kind is Kind.READ for one in everything)
    assert 0.5 <= reads / len(everything) <= 0.65
    assert all(one.requests for one in everything if one.kind is Kind.CHANGE)


@table(
    "entry",
    [
        {"kind": "read"},
        {"kind": "change"},
        {"kind": "ask", "effect": {"removed": ["zone a."]}},
        {"kind": "read", "answer": {"shows": "a."}},
        {"kind": "read", "answer": {"display": ["a."]}},
        {"kind": "wish", "answer": {"count": 1}},
        {"kind": "change", "effect": {"gone": ["zone a."]}},
    ],
)
def test_an_entry_that_cannot_be_read_is_named(tmp_path: Path, entry: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match=r"dns\.yaml: entry 1"):
        sentence(tmp_path, **entry)


def test_ids_of_the_server_fill_the_places_of_a_sentence(tmp_path: Path) -> None:
    entry = sentence(tmp_path, kind="change", effect={"removed": ["zone {zone}"]}, requests=[["DELETE", "/{zone}"]])
    filled = entry.filled({"zone": "b."})
    assert (filled.effects[0].removed, filled.requests) == (("zone b.",), (("DELETE", "/b."),))


def test_a_folded_cell_is_read_as_one() -> None:
    assert len(table_rows(TABLE)) == 2
    assert "moved to the cellar" in unfolded(TABLE)


def test_a_read_is_right_when_it_shows_what_was_asked_for_and_nothing_else(tmp_path: Path) -> None:
    both = sentence(tmp_path, kind="read", answer={"shows": ["a.", "moved to the cellar", "b."], "count": 2})
    assert verdict(both, reply("2 zones.")) is Verdict.RIGHT
    assert verdict(both, reply("3 zones.")) is Verdict.WRONG_READ
    assert verdict(both, reply("2 zones.", table="")) is Verdict.WRONG_READ
    one = sentence(tmp_path, kind="read", answer={"shows": ["b."], "hides": ["Native"]})
    assert verdict(one, reply("1 of 2 zones with kind Master.")) is Verdict.WRONG_READ
    assert verdict(both, reply("2 zones."), {}) is Verdict.WRONG_CHANGE


def test_a_part_in_the_closing_sentence_under_all_rows_is_wrong(tmp_path: Path) -> None:
    number = sentence(tmp_path, kind="read", answer={"count": 1})
    assert verdict(number, reply("1 of 2 zones with kind Master.")) is Verdict.WRONG_READ
    assert verdict(number, reply("1 of 2 zones with kind Master.", table="")) is Verdict.RIGHT


def test_groups_order_and_booleans(tmp_path: Path) -> None:
    groups = sentence(tmp_path, kind="read", answer={"counts": {"native": 1, "master": 1}})
    assert verdict(groups, reply("2 zones: 1 native, 1 master.")) is Verdict.RIGHT
    assert verdict(groups, reply("2 zones.")) is Verdict.WRONG_READ
    order = sentence(tmp_path, kind="read", answer={"order": ["b.", "a."]})
    assert verdict(order, reply("2 zones.")) is Verdict.WRONG_READ
    no = sentence(tmp_path, kind="read", answer={"says_yes": False})
    assert verdict(no, reply("No: a. is Native.")) is Verdict.RIGHT
    assert verdict(no, reply("Yes: a. is Native.")) is Verdict.WRONG_READ
    assert verdict(no, reply("The zone a.: kind Native.")) is Verdict.RIGHT


def test_a_read_that_asks_refuses_or_fails_is_not_right(tmp_path: Path) -> None:
    both = sentence(tmp_path, kind="read", answer={"count": 2})
    assert verdict(both, reply(code=7, error="which?", asked=True)) is Verdict.ASKED
    assert verdict(both, reply("Nothing here matches that.", code=7)) is Verdict.REFUSED
    assert verdict(both, reply(code=6, error="consent")) is Verdict.REFUSED
    assert verdict(both, reply("The API answered 404.", code=4)) is Verdict.WRONG_READ


def test_a_change_is_right_by_its_effect_alone(tmp_path: Path) -> None:
    gone = sentence(tmp_path, kind="change", effect={"removed": ["zone b.", "~ record b. *"]})
    after = {"zone a.": {"kind": "Native"}}
    assert verdict(gone, reply("Deleted.", changed=204), after) is Verdict.RIGHT
    assert verdict(gone, reply("Deleted.", changed=204), {}) is Verdict.WRONG_CHANGE
    assert verdict(gone, reply("Deleted.", changed=204), {**after, "zone c.": {}}) is Verdict.WRONG_CHANGE
    assert verdict(gone, reply("Deleted.", changed=204)) is Verdict.FAILED
    assert verdict(gone, reply("The API answered 404.", code=4, changed=404)) is Verdict.FAILED
    assert verdict(gone, reply("2 zones.")) is Verdict.WRONG_READ
    assert verdict(gone, reply(code=7, error="which?", asked=True)) is Verdict.ASKED


def test_what_is_added_or_changed_has_the_values_that_were_told(tmp_path: Path) -> None:
    new = sentence(tmp_path, kind="change", effect={"added": {"zone *": {"kind": "native", "ttl": {"about": 60}}}})
    assert verdict(new, reply(), {**ZONES, "zone c.": {"kind": "Native", "ttl": 60, "id": 7}}) is Verdict.RIGHT
    assert verdict(new, reply(), {**ZONES, "zone c.": {"kind": "Slave", "ttl": 60}}) is Verdict.WRONG_CHANGE
    kind = sentence(tmp_path, kind="change", effect={"changed": {"zone a.": {"kind": {"any": ["Master", "Slave"]}}}})
    assert verdict(kind, reply(), {**ZONES, "zone a.": {"kind": "Slave"}}) is Verdict.RIGHT
    assert verdict(kind, reply(), {**ZONES, "zone a.": {"kind": "Slave", "ttl": 5}}) is Verdict.WRONG_CHANGE


def test_to_ask_is_right_where_something_is_lacking(tmp_path: Path) -> None:
    lacking = sentence(tmp_path, kind="ask", answer={"asks": ["name|title"]})
    assert verdict(lacking, reply(code=7, error="createZone needs name", asked=True)) is Verdict.RIGHT
    assert verdict(lacking, reply(code=7, error="createZone needs server_id", asked=True)) is Verdict.ASKED
    assert verdict(lacking, reply("The API answered 400.", code=4, changed=400)) is Verdict.FAILED
    cannot = sentence(tmp_path, kind="cannot")
    assert verdict(cannot, reply(code=6, error="consent")) is Verdict.RIGHT
    assert verdict(cannot, reply("2 zones.")) is Verdict.WRONG_READ
    assert verdict(cannot, reply("Deleted.", changed=204)) is Verdict.WRONG_CHANGE


def test_to_say_that_a_thing_is_absent_is_right_where_it_is(tmp_path: Path) -> None:
    absent = sentence(tmp_path, kind="missing", answer={"hides": ["Native"]})
    assert verdict(absent, reply(code=7, error="There is no zone called 'c.'", table="", asked=True)) is Verdict.RIGHT
    assert verdict(absent, reply("The API answered 404.", code=4, table="")) is Verdict.RIGHT
    assert verdict(absent, reply("0 zones.", table="")) is Verdict.RIGHT
    assert verdict(absent, reply("2 zones.")) is Verdict.WRONG_READ
    assert verdict(absent, reply(code=7, error="getZone needs server_id", table="", asked=True)) is Verdict.ASKED
    by_id = sentence(tmp_path, kind="missing", answer={"unsent": ["/zones/b."]})
    assert verdict(by_id, reply("The API answered 404.", code=4, table="", changed=404)) is Verdict.FAILED


def test_the_first_number_of_a_sentence_stands_by_itself() -> None:
    assert first_number("api-2 and 10.0.0.1 have 4 zones, 3 of them signed.") == 4
    assert first_number("There are three zones.") == 3
    assert first_number("No zones.") == 0
    assert first_number("The zone.") is None


def test_a_difference_tells_what_came_went_and_changed() -> None:
    after = {"zone a.": {"kind": "Slave"}, "zone c.": {}, "record b. www": {"ttl": 60}}
    assert str(difference(ZONES, after)) == "+ zone c. {}; - zone b.; ~ zone a. {'kind': 'Slave'}"


def test_figures_and_a_line_for_each_sentence(tmp_path: Path) -> None:
    both = sentence(tmp_path, kind="read", answer={"count": 2})
    outcomes = [
        Outcome(sentence=both, reply=answer, judgement=judge(both, answer, ZONES, ZONES))
        for answer in (reply("2 zones."), reply("3 zones."))
    ]
    assert "| dns | 2 | 1 | 0 | 0 | 0 | 1 | 0 |" in tables(outcomes)
    assert line(outcomes[1]).startswith("dns [read] wrong read: it  | 2 is not the number")
