"""The language of the code stays that of the field: names, docstrings and comments (docs/glossary.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.language import LanguageReport, measure
from benchmarks.phrases import comments, count_phrases, docstrings, documentation

PACKAGE = Path(__file__).parent.parent / "nlapi"


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


def test_texts_are_in_native_english(report: LanguageReport) -> None:
    """Of 1,000 words that a person reads; schemathesis has 0.2 and 0.8."""
    counts = {name: 1000 * len(found) / report.text_words for name, found in report.foreign_texts.items()}
    assert counts["is no X, is none"] < 0.3, report.foreign_texts["is no X, is none"]
    assert counts["what it, what the"] < 0.9, report.foreign_texts["what it, what the"]


def test_everyday_words_and_clauses_are_found(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text('def told(one: int) -> int:\n    """What was said?"""\n    return one\n')
    report = measure(tmp_path)
    assert dict(report.everyday_names) == {"told": 1, "one": 2}
    assert len(report.clause_docstrings) == len(report.question_docstrings) == 1


def test_the_docs_read_as_a_native_would_write_them() -> None:
    rates = count_phrases(documentation()).per_thousand
    assert rates["is no X, is none"] <= 0.2, rates
    assert rates["what it, what the"] <= 0.8, rates


@pytest.mark.slow
def test_docstrings_and_comments_read_as_a_native_would_write_them() -> None:
    for text in (docstrings(PACKAGE), comments(PACKAGE)):
        rates = count_phrases(text).per_thousand
        assert rates["is no X, is none"] <= 0.5, rates
        assert rates["what it, what the"] <= 1.2, rates


def test_phrases_are_counted_in_prose_alone() -> None:
    text = "There is none.\n\n```sh\nit is no code\n```\n\n`is no code` and what the page says. It is no longer so.\n"
    report = count_phrases([("page", text)])
    assert (report.counts["is no X, is none"], report.counts["what it, what the"]) == (1, 1)
    assert report.places[0] == "page:1: is no X, is none: is none"
