"""Commands: whether a sentence orders a change or asks to see something, and its verb in the words of the API."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from nlapi.english.command_verbs import (
    DETERMINERS,
    NOUN_FOLLOWERS,
    SETTING_VERBS,
    TURN_VERBS,
    is_participle,
    is_taken_out,
    opens_with_noun,
)
from nlapi.english.intents import IMPERATIVES, STOPWORDS, VERBS, Intent
from nlapi.english.lexicon import stems, table, words
from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.spec import Operation
from nlapi.reading.clauses import CLAUSE_MARK, opening_length
from nlapi.reading.text import Sentence, Token
from nlapi.resources.command_verbs import further_verbs, path_end

_GIVE = words("reading/words", "request_verbs")
_US = words("reading/words", "request_objects")
_QUESTION_WORDS = stems("reading/words", "question_words")


def command_words(sentence: Sentence) -> list[Token]:
    """Return the words behind the opening of a sentence (could you please), the first of which may command."""
    start = opening_length(sentence.text)
    return [token for token in sentence.tokens if token.start >= start and token.word]


def command_verb(sentence: Sentence) -> str:
    """Return the stem of the first word behind the opening of a sentence; "" without one."""
    return next((token.stem for token in command_words(sentence)), "")


def only_reads(sentence: Sentence, operation: Operation) -> bool:
    """Return whether a sentence begins with a verb that reads, or has no verb that could command `operation`.

    A verb of the operation itself (return, lend) commands it, whatever it means elsewhere.
    """
    words = command_words(sentence)
    if not words:
        return True
    verbs = operation_verbs(operation)
    opening = words[0]
    if names_items(sentence):
        return True
    if opening.stem in verbs and not _plural(opening):
        return False
    if _imperative(opening, next(iter(words[1:]), None)):
        return False
    if opening.stem in _QUESTION_WORDS or VERBS.get(opening.stem) is Intent.READ:
        return True
    return not any(map(is_imperative, words))


def _imperative(opening: Token, after: Token | None) -> bool:
    """Return whether a sentence may begin with a command: [refund 10] EUR, but no [note on] contact 5 or [give me]."""
    if opening.stem not in IMPERATIVES or after is None or _plural(opening):
        return False
    is_request = opening.lower in _GIVE and after.lower in _US
    return not is_request and after.lower not in NOUN_FOLLOWERS


def names_items(sentence: Sentence) -> bool:
    """Return whether a sentence is a noun phrase alone, without a command behind a mark: flags with tag 7."""
    words = [token.lower for token in command_words(sentence)]
    return bool(words) and opens_with_noun(words) and not CLAUSE_MARK.search(sentence.text)


def operation_verbs(operation: Operation) -> frozenset[str]:
    """Return the stems that command an operation: the first word of its id and its summary, and /runs/{id}/[cancel]."""
    first = [words[0] for words in (split_words(operation.id), split_words(operation.summary)) if words]
    _, inside, last = operation.path.rstrip("/").rpartition("}/")
    ends = (last, path_end(operation)) if inside and "{" not in path_end(operation) else (last if inside else "",)
    actions = (word for end in ends for word in split_words(end)[:1])
    return frozenset(map(stem, (*first, *actions, *further_verbs(operation))))


def is_imperative(token: Token) -> bool:
    """Return whether a token may be a verb in the imperative that changes something."""
    changes = VERBS.get(token.stem, Intent.READ) is not Intent.READ
    is_form = is_participle(token.lower) or token.lower.endswith(("ing", "ion"))
    return changes and not _plural(token) and token.lower != "active" and not is_form


def _plural(token: Token) -> bool:
    return singular(token.lower) != token.lower


# The verbs that an API may have for a phrase, the likeliest first.
_VERBS_OF = {
    phrase: tuple(verbs.split())
    for phrases, verbs in table("reading/words", "commands").items()
    for phrase in phrases.split("|")
}
_LONGEST = max(phrase.count(" ") for phrase in _VERBS_OF) + 1
# Words that a verb and its particle do not stand around: turn the color to green.
_PARTING = frozenset(("to", "into", ",", ";", ".", "?"))
_INDEFINITE = frozenset(("a", "an"))
_NOUNS = words("reading/words", "noun_verbs")
_LINKS = words("reading/words", "noun_links")


def read_command(
    tokens: tuple[Token, ...],
    start: int,
    commanded: Callable[[], Collection[str]],
    knows: Callable[[str], bool] = lambda _: False,
    chooses: Callable[[str], bool] = lambda _: False,
) -> tuple[Token, ...]:
    """Return the tokens with the command at `start` read as a verb of the API: [kill] the run as `cancel`.

    `commanded` gives the stems of the verbs that command the API's operations, `knows` tells whether a stem is
    anywhere in their descriptions, `chooses` whether a phrase is itself a choice of an argument (a `type` of action
    that is `reboot`).
    """
    first = next((at for at, token in enumerate(tokens) if token.start >= start and token.word), len(tokens))
    if _is_made_so(tokens, first):
        return (*tokens[:first], replace(tokens[first], lower="set", stem=stem("set")), *tokens[first + 1 :])
    if tokens[first:] and is_taken_out([token.lower for token in tokens[first:]]):
        return (*tokens[:first], replace(tokens[first], lower="remove", stem=stem("remove")), *tokens[first + 1 :])
    if to := _made(tokens, first):
        setting, article = (
            replace(tokens[first], lower="set", stem=stem("set")),
            replace(tokens[to], lower="to", stem="to"),
        )
        return (*tokens[:first], setting, *tokens[first + 1 : to], article, *tokens[to + 1 :])
    phrase, last, rest = _command_phrase(tokens, first)
    if not phrase or _is_noun(phrase, rest):
        return tokens
    # `power on` is the action /poweron, where the API has that.
    verbs, api_verbs = (phrase.replace(" ", ""), *_VERBS_OF[phrase]), commanded()
    # A phrase for deleting that the API only mentions somewhere (trash) is still replaced: the API has `delete` for it.
    deletes = VERBS.get(stem(verbs[1])) is Intent.DELETE
    is_understood = stem(phrase) in api_verbs or (knows(stem(phrase)) and not deletes)
    is_general = deletes or tokens[first].stem in TURN_VERBS
    verb = next((verb for verb in verbs if stem(verb) in api_verbs), verbs[1] if is_general else "")
    if is_understood or not verb or chooses(phrase):
        return tokens
    return (*tokens[:first], replace(tokens[first], end=tokens[last].end, lower=verb, stem=stem(verb)), *rest)


def _made(tokens: Sequence[Token], first: int) -> int:
    """Return the article of make [Summer Sale] [a] draft, which sets; 0 where something is made: make a draft."""
    if first >= len(tokens) or tokens[first].stem not in SETTING_VERBS:
        return 0
    article = next((at for at in range(first + 2, len(tokens)) if tokens[at].lower in _INDEFINITE), 0)
    named = tokens[first + 1 : article]
    named = named[:-1] if named and named[-1].lower == "into" else named
    # Between the verb and the article there is nothing but the name: not turn [off campaign Summer Sale for] a week.
    # The last of several words is a code: make [user 5] an admin.
    return article if named and (_is_name(named) or (named[1:] and _is_name(named[-1:]))) else 0


def _is_made_so(tokens: Sequence[Token], first: int) -> bool:
    """Return whether an item, named by a code behind its noun, is set to what the last word says: make key 7c open."""
    words = [token for token in tokens[first:] if token.word]
    if len(words) < 4 or words[0].stem not in SETTING_VERBS or words[-1].lower in STOPWORDS:
        return False
    *noun, code, state = words[1:]
    return not code.text.isalpha() and all(word.text.isalpha() for word in noun) and state.text.islower()


def _is_name(tokens: Sequence[Token]) -> bool:
    """Return whether tokens are a name by their look: quoted, in capitals or with marks, or one word: museum.org."""
    is_quoted = len(tokens) > 2 and tokens[0].text == tokens[-1].text and tokens[0].text in ("'", '"')
    is_compound = len(tokens) > 1 and all(first.end == second.start for first, second in pairwise(tokens))
    return is_quoted or is_compound or all(token.text[0].isupper() or not token.text.isalpha() for token in tokens)


def _command_phrase(tokens: Sequence[Token], first: int) -> tuple[str, int, Sequence[Token]]:
    """Return a phrase for a command, its last token and the tokens behind it; the particle may stand apart."""
    lowers = [token.lower for token in tokens]
    for last in range(min(first + _LONGEST, len(tokens) - 1), first, -1):
        if (phrase := " ".join(lowers[first:last])) in _VERBS_OF:
            return phrase, last - 1, tokens[last:]
    for at in range(first + 2, len(tokens)):
        if not _PARTING.isdisjoint(lowers[first : at + 1]):
            break
        for end in (at + 2, at + 1):
            phrase = " ".join((lowers[first], *lowers[at:end]))
            if phrase in _VERBS_OF and DETERMINERS.isdisjoint(lowers[end : end + 1]):
                return phrase, first, (*tokens[first + 1 : at], *tokens[end:])
    return "", first, ()


def _is_noun(phrase: str, following: Sequence[Token]) -> bool:
    """Return whether a sentence begins with a noun rather than a command: [end dates], [star rating of] a film."""
    first, after = following[0], following[1].lower if len(following) > 1 else ""
    is_plain = first.text.islower() and first.text.isalpha()
    return phrase in _NOUNS and is_plain and (_plural(first) or after in _LINKS)
