"""The language of the code stays that of the field: names, docstrings and comments (docs/glossary.md)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.language import LanguageReport, measure, measure_texts
from benchmarks.phrases import comments, count_phrases, docstrings, documentation

PACKAGE = Path(__file__).parent.parent / "nlapi"
# In 1,000 words: what schemathesis has in its docstrings and comments, the lower of the two; docs are held to the same.
NATIVE = {
    "is no X, is none": 0.2,
    "what it, what the": 0.63,
    "goes on": 0.09,
    "is told, is said": 0.06,
    "of its own": 0.17,
}


@pytest.fixture(scope="module")
def report() -> LanguageReport:
    return measure(PACKAGE)


@pytest.mark.slow
def test_everyday_words_are_hardly_ever_names(report: LanguageReport) -> None:
    assert report.everyday_per_thousand < 3, report.everyday_names.most_common()


@pytest.mark.slow
def test_a_class_name_stands_once(report: LanguageReport) -> None:
    assert report.repeated_classes == {}


@pytest.mark.slow
def test_docstrings_are_statements(report: LanguageReport) -> None:
    assert len(report.clause_docstrings) < 0.03 * report.docstrings, report.clause_docstrings
    assert len(report.question_docstrings) < 0.005 * report.docstrings, report.question_docstrings


@pytest.mark.slow
def test_comments_say_why(report: LanguageReport) -> None:
    assert report.comments_per_hundred >= 2
    assert report.repeating_comments == []


def test_texts_are_in_native_english() -> None:
    """The strings of the code: help, prompts, errors."""
    texts = measure_texts(PACKAGE)
    counts = {name: 1000 * len(places) / texts.words for name, places in texts.foreign.items()}
    assert {name: count for name, count in counts.items() if count > NATIVE[name]} == {}, texts.foreign


def test_everyday_words_and_clauses_are_found(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text('def told(one: int) -> int:\n    """What was said?"""\n    return one\n')
    report = measure(tmp_path)
    assert dict(report.everyday_names) == {"told": 1, "one": 2}
    assert len(report.clause_docstrings) == len(report.question_docstrings) == 1


def test_the_docs_read_as_a_native_would_write_them() -> None:
    assert _foreign(documentation()) == {}


@pytest.mark.slow
def test_docstrings_and_comments_read_as_a_native_would_write_them() -> None:
    for text in (docstrings(PACKAGE), comments(PACKAGE)):
        assert _foreign(text) == {}


def _foreign(texts: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Return the phrases of some texts that are more frequent than a native writes them."""
    rates = count_phrases(texts).per_thousand
    return {name: rate for name, rate in rates.items() if rate > NATIVE[name]}


def test_phrases_are_counted_in_prose_alone() -> None:
    text = "There is none.\n\n```sh\nit is no code\n```\n\n`is no code` and what the page says. It is no longer so.\n"
    report = count_phrases([("page", text)])
    assert (report.counts["is no X, is none"], report.counts["what it, what the"]) == (1, 1)
    assert report.places[0] == "page:1: is no X, is none: is none"
