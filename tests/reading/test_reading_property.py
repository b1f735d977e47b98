"""What holds of the reading of any text: positions as typed, nothing cut, and no text that cannot be read."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nlapi.reading.reader import read_sentence
from nlapi.reading.text import MentionKind, Sentence
from tests.tables import table

NOW = datetime(2026, 5, 13, 15, 30, tzinfo=UTC)
# Texts of the pieces that sentences with values are made of, and of any characters.
PIECES = (
    *("set", "the", "name", "to", "of", "and", "Bank", "West", "'", '"', "“", "5", "12.50", "$", "%", "May", "2026"),
    *(
        "18:00",
        "2026-12-01T18:00:00.5Z",
        "tomorrow",
        "at",
        "noon",
        "a@b.co",
        "x-1",
        "/a/b",
        "{",
        "}",
        "[1, 2]",
        ",",
        ".",
    ),
    *(" ", "  ", "\n", "\t", "é", "日本語の名前", "\u0301", "\x00", "1e999", "9" * 40),
)
texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join))


def read(text: str) -> Sentence:
    return read_sentence(text, NOW)


@given(texts)
def test_a_token_is_the_text_at_its_position(text: str) -> None:
    tokens = read(text).tokens
    assert [token.text for token in tokens] == [text[token.start : token.end] for token in tokens]
    assert all(first.end <= second.start for first, second in pairwise(tokens))


@given(texts)
def test_a_mention_lies_within_the_text(text: str) -> None:
    sentence = read(text)
    for mention in sentence.mentions:
        assert 0 <= mention.start < mention.end <= len(text)
        assert 0 <= mention.first <= mention.last <= len(sentence.tokens)


@given(texts)
def test_reading_the_same_text_twice_gives_the_same(text: str) -> None:
    first, second = (
        [(mention.kind, mention.start, mention.end, repr(mention.value)) for mention in read(text).mentions]
        for _ in range(2)
    )
    assert first == second


@table("piece", [*PIECES, "a.", "a-", "A1b=", "[1,", "$", "9"])
def test_a_long_text_is_read(piece: str) -> None:
    text = piece * (10_000 // len(piece))
    assert all(mention.end <= len(text) for mention in read(text).mentions)


moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
zones = st.integers(min_value=-12 * 4, max_value=14 * 4).map(lambda quarter: timezone(timedelta(minutes=15 * quarter)))


def whole_moment(text: str) -> object:
    """The value of the one date that is no part of another."""
    (moment,) = [
        mention for mention in read(text).mentions if mention.kind is MentionKind.DATE and mention.form != "part"
    ]
    assert moment.text in text
    return moment.value


@given(moments)
def test_a_day_with_a_time_is_one_moment_in_every_spelling(moment: datetime) -> None:
    minute = moment.replace(second=0)
    day = f"{moment.day} {moment:%B %Y}"
    assert whole_moment(f"end it {moment.isoformat()}") == moment
    assert whole_moment(f"end it on {day} at {minute:%H:%M}") == minute
    assert whole_moment(f"ending {day} {minute:%H:%M}") == minute
    assert whole_moment(f"end it at {minute:%H:%M} on {day}") == minute
    assert whole_moment(f"end it {moment:%B} {moment.day}, {moment:%Y} {minute:%I:%M %p}") == minute


@given(moments, zones)
def test_a_zone_that_is_said_stays(moment: datetime, zone: timezone) -> None:
    aware = moment.replace(tzinfo=zone)
    value = whole_moment(f"end it {aware.isoformat()} please")
    assert isinstance(value, datetime)
    assert (value, value.utcoffset()) == (aware, aware.utcoffset())


@table(
    ("text", "moment"),
    [
        ("move it to next Friday 18:00", datetime(2026, 5, 15, 18)),
        ("move it to 6pm tomorrow", datetime(2026, 5, 14, 18)),
        ("move it to tomorrow at noon", datetime(2026, 5, 14, 12)),
        ("move it to 2026-12-01T18:00:00.250Z", datetime(2026, 12, 1, 18, 0, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_a_day_and_its_time_are_one_moment(text: str, moment: datetime) -> None:
    assert whole_moment(text) == moment


def test_two_times_of_one_day_stay_two() -> None:
    values = [
        mention.value for mention in read("from 9:00 to 10:00 on 2026-05-15").mentions if mention.value is not None
    ]
    assert values == [time(9), time(10), date(2026, 5, 15)]


@table(
    "code",
    [
        "P@ssw0rd!2026",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "/Reports/2026/Q1",
        "abc+def/123==",
        "postgres://admin:s3cr3t@db.local:5432/app",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
        "4f3c2b1a-9d8e-7f6a-5b4c-3d2e1f0a9b8c",
    ],
)
@table("sentence", ["{}", "use {} for bob", "log in with {}, please", "token={}", "the key ({})"])
def test_a_code_is_one_mention(sentence: str, code: str) -> None:
    mentions = read(sentence.format(code)).mentions
    codes = [mention.text for mention in mentions if mention.kind is MentionKind.LITERAL]
    assert codes == [code]
    numbers = [mention.text for mention in mentions if mention.kind in (MentionKind.NUMBER, MentionKind.DATE)]
    assert numbers == []


@table(
    ("text", "name"),
    [
        ("set the payee to Bank of the West", "Bank of the West"),
        ("deliver it to Johann von der Heide", "Johann von der Heide"),
        ("which hotels are in Frankfurt am Main?", "Frankfurt am Main"),
    ],
)
def test_a_name_has_its_small_words(text: str, name: str) -> None:
    assert name in [mention.text for mention in read(text).mentions if mention.kind is MentionKind.NAME]
