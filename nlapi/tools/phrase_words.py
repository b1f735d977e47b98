"""The words that show how a phrase is built: verbs by their request, prepositions, determiners and set expressions."""

from __future__ import annotations

from nlapi.resources.naming import IMPERATIVES, stem


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, text.split()))


# Stems of verbs that an API without an operation of that name carries out by setting a state.
STATE_VERBS = _stems(
    """cancel close reopen pause resume activate deactivate enable disable complete finish fail abort stop suspend
    archive approve reject lock unlock publish unpublish terminate"""
)
READ_VERBS = _stems(
    """poll monitor download verify identify determine track export confirm inspect preview compare review calculate
    estimate access watch wait"""
)
CREATE_VERBS = _stems("setup define initiate trigger apply associate attach register assign request import link")
ACTION_VERBS = IMPERATIVES | _stems(
    """associate authenticate calculate compile deactivate exchange perform resend evict merge fork like star process"""
)
SEARCH_VERBS = _stems("search browse query find locate identify lookup look discover determine")
FRAME_NOUNS = _stems("detail list information info set data record number id identifier copy metadata collection page")
FILTER_STEMS = _stems("filter filtered matching criteria")
# Verbs before `a request to`, where the verb behind it is the one that counts.
REQUEST_VERBS = _stems("submit send initiate perform trigger start execute make issue place begin process")
PLACE_PREPOSITIONS = frozenset("of for in on from to within about into inside under at against onto between".split())
QUALIFIERS = frozenset(
    """with by using via that which who where when after before based including if so because through while such like
    as and or containing associated named called""".split()
)
DETERMINERS = frozenset("a an the all each every any some this that these those my his her their its our your".split())
NOUN_FOLLOWERS = frozenset("of for on in at by is are was were between".split())
QUESTION_WORDS = frozenset("show see give tell what which who whose how where when is are do does did".split())
_POLITE_WORDS = QUESTION_WORDS | frozenset(
    "please can could you i we want to need would like let me us much many there the of hey hi hello kindly".split()
)
OPENING_WORDS = _POLITE_WORDS | DETERMINERS - {"these", "those", "that", "this", "his", "her", "their", "its", "your"}
# Verbs that are stopwords elsewhere, but at the beginning show that something is read.
PLAIN_READ_VERBS = frozenset(("get", "find"))
# Verbs at the very beginning of a phrase that are words of politeness elsewhere (`I would like`).
INITIAL_VERBS = frozenset(("like",))
POSSESSIVES = frozenset(("my", "mine", "our"))
CALLER_WORDS = POSSESSIVES | {"me", "i"}
UNIVERSAL_WORDS = frozenset(("all", "every", "each"))
PHRASAL_VERBS = {
    (verb, particle): joined
    for joined, written in (
        ("login", "log in|log into|sign in|sign into"),
        ("logout", "log out|log off|sign out|sign off"),
        ("signup", "sign up"),
        ("shutdown", "shut down"),
        ("rollback", "roll back"),
        ("lookup", "look up"),
        ("backup", "back up"),
        ("setup", "set up"),
    )
    for verb, particle in (pair.split() for pair in written.split("|"))
}
"""Verbs of two words -> the one word that APIs use."""
IMPLIED_STEMS = {
    expression: _stems(words)
    for expression, words in (
        ("who am i", "me self current authenticated user profile account"),
        ("who can", "permission access collaborator member"),
        ("who has access", "permission collaborator member"),
        ("allowed to", "permission access"),
        ("how much", "usage stats statistics quota"),
    )
}
"""Expression -> stems of the API's words for it."""
# One of these words is in every expression above and in every count, so that a phrase without any skips the search.
HINT_WORDS = frozenset("who how allowed count number".split())
PHRASAL_VERB_STARTS = frozenset(verb for verb, _ in PHRASAL_VERBS)
