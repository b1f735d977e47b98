"""A credential that a server echoes is masked, in whatever encoding it comes back, and what is none is left alone."""

from __future__ import annotations

import asyncio
import base64
import html
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nlapi.client.masking import MASK, StreamMask, places_of, redact, secret_mask
from nlapi.client.message import Request, Result
from nlapi.client.safe_text import strip_control
from nlapi.client.send import send
from nlapi.errors import SendError
from tests.servers import Echo, Reply, Script, chunk, head
from tests.strategies import examples
from tests.tables import table

SECRET = 'tok/en+1234="x&y'


def json_escaped(text: str) -> str:
    return "".join(f"\\u{unit:04x}" for unit in text.encode("utf-16-be")[::2] and _units(text))


def _units(text: str) -> list[int]:
    data = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data), 2)]


ENCODINGS = {
    "plain": lambda text: text,
    "json": lambda text: json.dumps(text)[1:-1],
    "json without ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json with slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json units": json_escaped,
    "json units in capitals": lambda text: json_escaped(text).upper().replace("\\U", "\\u"),
    "json of some characters": lambda text: "".join(c if c.isalnum() else f"\\u{ord(c):04X}" for c in text),
    "json in json": lambda text: json.dumps(json.dumps(text))[3:-3],
    "json units in json": lambda text: json.dumps(json_escaped(text))[1:-1],
    "percent": lambda text: quote(text, safe=""),
    "percent in small letters": lambda text: quote(text, safe="").lower() if text.lower() == text else quote(text),
    "percent of all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "html": lambda text: html.escape(text),
    "html numbers": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "html hexadecimal": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal with colons": lambda text: text.encode().hex(":").upper(),
    "html numbers that do not end": lambda text: "".join(
        f"&#x{ord(char):X}" if char.isalpha() else char for char in text
    ),
    "javascript": lambda text: "".join(f"\\x{byte:02X}" for byte in text.encode()),
    "javascript code points": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "base32": lambda text: base64.b32encode(text.encode()).decode().rstrip("="),
    "base32 in small letters": lambda text: base64.b32encode(text.encode()).decode().rstrip("=").lower(),
    "base32 in mixed letters": lambda text: base64.b32encode(text.encode()).decode().rstrip("=").title(),
    "hexadecimal in mixed letters": lambda text: text.encode().hex("-").title(),
    "units of old JavaScript": lambda text: "".join(f"%u{unit:04x}" for unit in _units(text)),
    "units of old JavaScript twice": lambda text: "".join(f"%25u{unit:04X}" for unit in _units(text)),
    "python": lambda text: "".join(f"\\U{ord(char):08x}" for char in text),
    "perl": lambda text: "".join(f"\\x{{{ord(char):x}}}" for char in text),
    "style sheets": lambda text: "".join(f"\\{ord(char):06x}" for char in text),
    "code points": lambda text: " ".join(f"U+{ord(char):04X}" for char in text),
    "html twice": lambda text: "".join(f"&amp;#{ord(char)};" for char in text),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
}
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=6, max_size=30).filter(
    lambda text: "*" not in text
)


@pytest.mark.parametrize("name", ENCODINGS)
@settings(max_examples=8)
@given(secret=SECRETS)
@example(secret=SECRET)
@example(secret="äöü" * 3)
@example(secret="00000\\")
@example(secret="a\\b\\\\cd12\\")
def test_it_is_masked_in_every_encoding(name: str, secret: str) -> None:
    echoed = ENCODINGS[name](secret)
    line = f'{{"echo": "{echoed}", "n": 1}}'
    assert redact(line, [secret]) == f'{{"echo": "{MASK}", "n": 1}}'
    mask = secret_mask((secret,))
    assert mask.body(line.encode()) == f'{{"echo": "{MASK}", "n": 1}}'.encode()
    assert mask.finds(f"x{echoed}y")


@table("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@table("name", ["plain", "json", "json units", "percent", "base64", "html numbers"])
def test_it_is_masked_in_wide_bodies(codec: str, name: str) -> None:
    line = f'{{"echo": "{ENCODINGS[name](SECRET)}", "ä": 1}}'
    masked = secret_mask((SECRET,)).body(line.encode(codec))
    assert masked.decode(codec) == f'{{"echo": "{MASK}", "ä": 1}}'


def test_it_is_masked_in_the_middle_of_what_is_binary() -> None:
    content = b"\0\1\2\3 " + SECRET.encode("utf-16-le") + b" \xff\xfe\xfd " + SECRET.encode()
    assert secret_mask((SECRET,)).body(content) == b"\0\1\2\3 *\0*\0*\0 \xff\xfe\xfd ***"


@table("prefix", ["", "u", "us", "user"])
def test_it_is_masked_in_base64_with_something_before_and_behind_it(prefix: str) -> None:
    secret = "s3cr3t-t0ken-of-somebody"
    echoed = base64.b64encode(f"{prefix}:{secret}:more".encode()).decode()
    shown = redact(f"Basic {echoed}", [secret])
    assert MASK in shown
    left = shown.removeprefix("Basic ").partition(MASK)
    # A character has 6 bits, so that at most one of the secret stands at each side.
    assert secret[2:-2].encode() not in base64.b64decode(left[0] + "=" * (-len(left[0]) % 4))
    assert len(left[0]) + len(left[2]) <= len(echoed) - len(secret)


@table("name", ["plain", "json units", "percent", "json of some characters", "html"])
def test_it_is_masked_however_a_stream_is_cut(name: str) -> None:
    body = f'{{"a": "{ENCODINGS[name](SECRET)}"}}\n{{"b": "tok/"}}\n'.encode()
    wanted = f'{{"a": "{MASK}"}}\n{{"b": "tok/"}}\n'.encode()
    for size in range(1, 30):
        stream = StreamMask(secret_mask((SECRET,)))
        pieces = [stream.feed(body[start : start + size]) for start in range(0, len(body), size)]
        assert b"".join(pieces) + stream.finish() == wanted


def test_what_cannot_be_a_secret_is_not_kept_back() -> None:
    stream = StreamMask(secret_mask((SECRET,)))
    assert stream.feed(b"event: x\n") == b"event: x\n"
    assert stream.feed(b"tok/en%2B12") == b""
    assert stream.feed(b"99\n") == b"tok/en%2B1299\n"


@settings(max_examples=examples(60))
@given(text=st.text(max_size=200))
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert redact(text, ["s3cr3t-t0ken", "änd&re+"]) == text


def test_a_long_secret_is_masked_and_another_that_begins_alike_is_not() -> None:
    start = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." * 30
    mine, other = f"{start}mine+{'m' * 140}", f"{start}other+{'o' * 140}"
    assert redact(f"{mine} {other}", [mine]) == f"{MASK} {other}"
    escaped = mine.replace("+", "\\u002b")
    assert "m" * 20 not in redact(escaped, [mine])


# What a reader does not see

CUT = "s3cr3t-t0ken-of-somebody"


@table(
    "inserted",
    [
        "\u200b", "\u202e\u2066", "\U000e0041", "\xad", "\x00", "\x1b[0m", "\x1b]8;;https://x.example\x07", "\x9b31m",
        "\ufe0f", "\ufe0e", "\u200d", "\u0336", "\u20dd", "\u3164", "\U000e0101", "\u034f\ufe0f", "\u2028",
        "\\ufe0f", "%uFE0F", "%u200b", "\\u{fe0f}", "\\x{200b}", "\\U0000200b", "&#xFE0F;", "&ZeroWidthSpace;",
        "%E2%80%8B", "=E2=80=8B", "%25EF%25B8%258F", "\\x1b[0m", "\\033[1m", "\\u0336",
        "\\u200b", "\\u0000", "\\u001b[31m", "\\\\u202e", "<wbr>", "<!-- -->", '</b><b class="x">', "&shy;", "&#8203;",
        "&#x200B;", "&#917569;", "&#xE0041;", "]]><![CDATA[", "\r\n ", "=\r\n",
    ],
)  # fmt: skip
def test_what_is_left_out_of_a_text_that_is_shown_hides_nothing(inserted: str) -> None:
    for cut in (f"{CUT[:5]}{inserted}{CUT[5:]}", inserted.join(CUT)):
        line = f"before \u200b<i>{cut}</i> and behind"
        assert redact(line, [CUT]) == f"before \u200b<i>{MASK}</i> and behind"
        assert secret_mask((CUT,)).body(line.encode()).decode() == f"before \u200b<i>{MASK}</i> and behind"


@table("inserted", ["\u200b", "\ufe0f", "\u0336", "\\u200b", "&#xFE0F;", "%u200b", "<wbr>"])
@table("name", ["json units", "units of old JavaScript", "html numbers", "javascript code points"])
def test_what_is_left_out_hides_nothing_among_escapes(name: str, inserted: str) -> None:
    encoded = [ENCODINGS[name](char) for char in CUT]
    for cut in (inserted.join(encoded), inserted.join((*CUT[:5], *encoded[5:]))):
        assert redact(f"before {cut} and behind", [CUT]) == f"before {MASK} and behind"
        assert secret_mask((CUT,)).body(f"before {cut} and behind".encode()) == f"before {MASK} and behind".encode()


def test_every_character_that_unicode_calls_ignorable_is_known() -> None:
    """Those of the properties Default_Ignorable_Code_Point, Cf, Cs and Co, and the combining marks (Mn, Me)."""
    seen = [
        f"{code:x}"
        for code in (*range(0x80, 0x20000), *range(0xE0000, 0xE1000), 0xF0000, 0x10FFFD)
        if regex.fullmatch(r"[\p{DI}\p{Cf}\p{Cs}\p{Co}]|(?![\U00010000-\U0010ffff])[\p{Mn}\p{Me}]", chr(code))
        and redact(f"{CUT[:5]}{chr(code)}{CUT[5:]}", [CUT]) != MASK
    ]
    assert seen == []


@table("form", ["\\u{0:04x}", "&#{0};", "&#x{0:X};", "%u{0:04X}", "\\u{{{0:x}}}"])
def test_no_reference_to_a_character_that_nobody_sees_hides_anything(form: str) -> None:
    unseen = [code for code in range(0x10000) if strip_control(f"a{chr(code)}b") == "ab"]
    lines = [f"{CUT[:5]}{form.format(code)}{CUT[5:]}" for code in unseen]
    masked = redact("\n, ".join(lines), [CUT]).split("\n, ")
    assert [line for line, after in zip(lines, masked, strict=True) if after != MASK] == []


@table("inserted", ["\u200b", "\x1b[0m", "\x00"])
def test_a_stream_hides_nothing_either(inserted: str) -> None:
    body = f"a\nkey: {inserted.join(CUT)} and behind\n".encode()
    for size in range(1, 40):
        stream = StreamMask(secret_mask((CUT,)))
        pieces = [stream.feed(body[start : start + size]) for start in range(0, len(body), size)]
        assert b"".join(pieces) + stream.finish() == b"a\nkey: *** and behind\n"


@table("charset", ["cp037", "cp500", "utf-16", "iso-8859-1", "utf-7"])
def test_a_body_is_masked_in_the_charset_that_it_names(charset: str) -> None:
    secret = "s3cr3t-töken" if charset == "iso-8859-1" else SECRET
    reply = Reply(200, f"key: {secret}, and more".encode(charset), {"Content-Type": f"text/plain; charset={charset}"})
    with Echo(reply) as server:
        result = go(server.url, secrets=[secret])
    assert secret not in result.text
    assert "and more" in result.text


def test_names_of_headers_and_cut_errors_have_none_of_it() -> None:
    with Echo(Reply(200, b"", {f"X-{CUT}": "1"})) as server:
        assert CUT not in str(go(server.url, secrets=[CUT]).headers)
    for headers in ({"Location": f"ftp://{'a' * 190}{CUT}"}, {"Content-Encoding": f"{'a' * 30}{CUT.upper()}"}):
        with (
            Echo(Reply(302 if "Location" in headers else 200, b"x", headers)) as server,
            pytest.raises(SendError) as said,
        ):
            go(server.url, secrets=[CUT])
        assert CUT[:8].lower() not in str(said.value).lower()


# Short credentials


ECHOES = [
    ('{{"headers": {{"X-Api-Key": "{}"}}}}', True),
    ('{{"x_api_key":"{}"}}', True),
    ('{{\\"X-Api-Key\\": \\"{}\\"}}', True),
    ("X-Api-Key: {}\r\n", True),
    ("HTTP_X_API_KEY={}", True),
    ("<X-Api-Key>{}</X-Api-Key>", True),
    ('[["X-Api-Key", "{}"]]', True),
    ("{}", False),
    ("any key, {} of them", False),
    ('{{"X-Api-Key-Id": "{}"}}', False),
    ('{{"X-Api-Key": "{}thing"}}', False),
]


@table(("form", "is_masked"), ECHOES)
def test_a_short_credential_is_masked_where_it_was_sent(form: str, is_masked: bool) -> None:
    places = places_of("https://api.example/", [("X-Api-Key", "any")], ["any"])
    body = form.format("any")
    wanted = form.format(MASK) if is_masked else body
    mask = secret_mask(("any",), places)
    assert mask.text(body) == wanted
    assert mask.body(body.encode()) == wanted.encode()


@table(
    ("url", "headers", "echo", "wanted"),
    [
        ("https://a.example/?api_key=ab%2Bc", {}, '{"args": {"api_key": "ab+c"}}', '{"args": {"api_key": "***"}}'),
        ("https://a.example/?api_key=ab%2Bc", {}, "/?api_key=ab%2Bc&n=1", "/?api_key=***&n=1"),
        ("https://a.example/?api_key=ab%2Bc", {}, '"api_key":"ab\\u002bc"', '"api_key":"***"'),
        (
            "https://a.example/",
            {"Authorization": "Bearer ab+c"},
            "authorization: Bearer ab+c",
            "authorization: Bearer ***",
        ),
        (
            "https://a.example/",
            {"Cookie": "sid=ab+c; n=1"},
            '{"cookies": {"sid": "ab+c"}}',
            '{"cookies": {"sid": "***"}}',
        ),
        ("https://a.example/", {"Cookie": "sid=ab+c"}, "Cookie: sid=ab+c", "Cookie: sid=***"),
    ],
)
def test_every_place_of_a_short_credential_counts(url: str, headers: Any, echo: str, wanted: str) -> None:
    mask = secret_mask(("ab+c",), places_of(url, tuple(headers.items()), ["ab+c"]))
    assert mask.text(echo) == wanted


# Over the wire


def go(url: str, **options: Any) -> Result:
    headers = options.pop("headers", ())
    return asyncio.run(send(Request(method="GET", url=url, headers=headers), **options))


@table("name", ENCODINGS)
def test_an_answer_and_its_items_have_no_secret(name: str) -> None:
    echoed = ENCODINGS[name](SECRET)
    body = f'{{"echo": "{echoed}"}}\n{{"n": 1}}\n'.encode()
    pieces: list[bytes] = []
    parts = [chunk(body[start : start + 7]) for start in range(0, len(body), 7)]
    with Script([head("application/x-ndjson", X_Echo=quote(SECRET)), *parts, chunk(b"")]) as server:
        result = go(server.url, secrets=(SECRET,), watch=lambda piece: pieces.append(piece.data))
    for seen in (result.content.decode(), b"".join(pieces).decode(), json.dumps(result.items), str(result.headers)):
        assert MASK in seen
        assert echoed not in seen
        assert "1234" not in seen


def test_a_short_credential_that_is_echoed_is_masked_and_the_word_is_not() -> None:
    headers = (("X-Key", "any"),)
    reply = Reply(200, {"headers": {"X-Key": "any"}, "text": "any of them"}, {"X-Key": "any"})
    with Echo(reply) as server:
        result = go(f"{server.url}/?key=any", headers=headers, secrets=("any",))
    assert result.json() == {"headers": {"X-Key": "***"}, "text": "any of them"}
    assert result.header("x-key") == "***"
    assert result.url.endswith("?key=***")


@table("text", ["\\" * 300_000, "%25" * 100_000, "&#0000" * 50_000, "X-Key: " * 50_000, "tok/" * 75_000])
def test_no_answer_makes_masking_slow(text: str) -> None:
    """Each takes milliseconds; with repeats without a bound the first takes hours."""
    mask = secret_mask((SECRET, "+plus-first"), (("X-Key", "any"),))
    assert mask.text(text) == text
    assert mask.body(text.encode()) == text.encode()
    stream = StreamMask(mask)
    assert stream.feed(text.encode()) + stream.finish() == text.encode()
