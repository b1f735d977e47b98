"""Learns the table `speech_acts` of nlapi/tools/search/weights.toml.

`python -m training.question_weights [--shared FOLDER]` prints what each speech act, as a question or a wish, adds to
the score of each kind of operation, beside the score that the search gives. It is trained on the phrases of
`benchmarks/find.py` that are no check (`words`, `more words`, parts of `plain words` and `everyday words`) and on the
tuning half of the steps; `people` is not looked at. Needs the dependency group `train`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.find import SHARED, Case, step_cases, word_cases, word_spec, workflow_spec
from nlapi.english.everyday import in_api_words, read_speech_act
from nlapi.english.intents import SpeechAct
from nlapi.openapi.spec import Spec
from nlapi.tools.search.index import MAX_CANDIDATES, ActionKind, Index, operation_terms
from training.relevance import Example, fitted

GROUPS = ("words", "more words", "plain words, develop", "everyday words, develop", "steps, tune")


def examples(cases: Sequence[tuple[Case, Spec]]) -> Iterator[Example]:
    """Yield every phrase with the score of each candidate, and its kind for the speech act of the phrase."""
    indexes = {spec: Index(spec.operations) for spec in dict.fromkeys(spec for _, spec in cases)}
    for case, spec in cases:
        text = in_api_words(case.words, indexes[spec].has_word)
        speech_act, rows, right = read_speech_act(case.words), [], []
        for operation, score in indexes[spec].search(text, MAX_CANDIDATES, is_near=True):
            kind = operation_terms(operation).kind
            rows.append(
                [score, *(float(speech_act is one and kind is other) for one in SpeechAct for other in ActionKind)]
            )
            right.append(operation.id in case.right)
        yield Example(case=case, rows=rows, right=right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, metavar="FOLDER", help="with workflows/ and specs/")
    shared = parser.parse_args().shared
    words = [(case, word_spec(case.api, shared)) for case in word_cases() if case.group in GROUPS]
    steps = [case for case in step_cases(shared / "workflows") if case.group in GROUPS]
    cases = [(case, spec) for case, spec in words if spec is not None]
    cases += [(case, workflow_spec(shared / "workflows" / case.api)) for case in steps]
    scale, *weights = fitted(list(examples(cases)))
    for number, speech_act in enumerate(SpeechAct):
        row = weights[number * len(ActionKind) : (number + 1) * len(ActionKind)]
        print(f'{speech_act} = "{" ".join(f"{weight / scale:.1f}" for weight in row)}"')


if __name__ == "__main__":
    main()
