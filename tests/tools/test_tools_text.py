"""What of a description a model is told."""

from __future__ import annotations

from nlapi.tools.texts.plain_text import MAX_DESCRIPTION, plain_text
from tests.tables import table
from tests.tools.test_tools_compile import tool


@table(
    ("text", "wanted"),
    [
        ("Use [a token](https://docs.example/tokens).", "Use a token."),
        ("![logo](/logo.png) Pets", "logo Pets"),
        ("The [`a[0]`](x) of it, see [1](#one)", "The [`a[0]`](x) of it, see 1"),
        ("Call f[i](x) then [b](c)", "Call f[i](x) then [b](c)"),
        ('Lists pets. For more information, see "[Pets](https://docs.example)."', "Lists pets."),
        ("For more information about x, see [A](https://a) and [B](https://b).\n\nLists pets.", "Lists pets."),
        (
            "For more information, see [A](https://a), and set `x` to 1.",
            "For more information, see A, and set `x` to 1.",
        ),
        ("For more information, see [A](https://a).", "For more information, see A."),
        ("For more information, call 5.", "For more information, call 5."),
        ("<p>Lists <b>all</b> pets.</p>\n\n<p>Use <code>id</code>.</p>", "Lists all pets.\n\nUse `id`."),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ("a < b, c > d, <id> and <my-tag>", "a < b, c > d, <id> and <my-tag>"),
        ("| a | b |\n| --- | :-: |\n| 1 | 2 |", "| a | b |\n| 1 | 2 |"),
        ("a  \n\n\n\nb", "a\n\nb"),
        ("a -- b --- c", "a -- b --- c"),
        ("> [!NOTE]\n> Beta.\nx", "Note: Beta.\nx"),
        ("**Note:** a **b c** d", "Note: a b c d"),
        ("`**/*.py` src/**/a **kwargs, **opts a**b**c", "`**/*.py` src/**/a **kwargs, **opts a**b**c"),
        ("Which\u200b one\U000e0041", "Which one"),
    ],
)
def test_what_only_a_browser_can_use_is_left_out(text: str, wanted: str) -> None:
    assert plain_text(text) == wanted


@table("text", ["[" * 50_000, "[a](" * 20_000, "<a " * 30_000, "For more information " * 5000, "--|" * 9999])
def test_hostile_text_is_read_quickly(text: str) -> None:
    assert len(plain_text(text + "](")) <= MAX_DESCRIPTION


@table(
    ("summary", "description", "wanted"),
    [
        ("List pets", "Lists all the pets of a shop.", "Lists all the pets of a shop. (GET /x)"),
        ("List pets", "Cats only. Lists pets.", "List pets. Cats only. Lists pets. (GET /x)"),
        ("List pets of a shop", "Lists pets.", "List pets of a shop. Lists pets. (GET /x)"),
    ],
)
def test_a_summary_that_the_first_sentence_says_again_is_not_repeated(
    summary: str, description: str, wanted: str
) -> None:
    assert tool({"summary": summary, "description": description}, method="get").description == wanted
