"""The verbs by which names and prose say what an operation does, each with what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a verb does. A RISKY one computes in one API and changes something in the next: verify, test, convert."""

    RETRIEVE = "retrieve"
    COMPUTE = "compute"
    RISKY = "risky"
    CHANGE = "change"


class VerbForm(StrEnum):
    """The form of a verb: search, searches, searching, searched."""

    BASE = "base"
    THIRD = "third"
    ING = "ing"
    PAST = "past"


_RETRIEVE = """
    autocomplete browse count describe display download enumerate explore fetch filter find get inspect
    introspect list lookup obtain paginate query read receive retrieve return search see show summarize view
"""
_COMPUTE = """
    aggregate analyse analyze assess calculate categorize check classify compare compute decode detect determine
    diff estimate evaluate explain extract forecast geocode humanize identify infer interpolate measure normalize
    parse predict preview recognise recognize recommend solve spellcheck suggest summarise transcribe translate
    validate
"""
_RISKY = """
    annotate convert decrypt embed encode encrypt enrich execute export highlight locate match optimise optimize
    perform quote rank render resolve run score simulate sync test tokenize transform verify
"""
_CHANGE = """
    abandon abort accept acknowledge acquire activate add adjust advance allocate allow announce answer append
    apply approve archive ask assign associate assume attach attest authenticate authorize backfill ban begin
    bind block book broadcast build burn buy call cancel capture change charge checkout claim clear clone close
    comment commit compile complete compose configure confirm connect consume copy crawl create deactivate
    decline decrease decrement defer delay delete demote deny deploy deposit deprovision dequeue deregister
    destroy detach dial disable disassociate disconnect dismiss dispatch downgrade drain drop duplicate edit
    eject email emit empty enable enqueue enroll escalate evict exchange expand expire extend finalize finish
    fire flag flush follow force fork forward fulfil fulfill generate grant hide hold impersonate import increase
    increment index ingest init initialise initialize initiate inject insert install instantiate invalidate
    invite invoke issue join kill label launch leave license like link lock log login logout lower make mark
    merge migrate mint modify mount move mute nominate notify offer onboard open order override overwrite page
    patch pause pay persist pin place play populate post prefetch preload prepare print process produce promote
    propose protect provision prune publish purchase purge push put quarantine raise rate react reassign
    rebalance reboot rebuild recalculate recall record recover recrawl recreate redeem redirect reduce refill
    refresh refund regenerate register reindex reinstate reissue reject release reload remediate remind remove
    rename renew reopen reorder replace reply report repost reprocess request requeue rerun reserve reset resize
    respond restart restore resume retry revert revoke rollback rotate save scale schedule sell send set settle
    share ship shorten shrink sign signin signup silence snooze split stage start stop store submit subscribe
    suppress suspend swap switch synchronize tag terminate throttle toggle track trade train transfer transition
    transmit trash trigger truncate unarchive unassign unban unblock undelete undo unenroll unfollow uninstall
    unlike unlink unload unlock unmount unpin unregister unshare unsubscribe update upgrade upload upsert use
    void vote wait wake warm wipe withdraw write
"""
_ALSO_NOUNS = """
    allocate allow answer archive ask bind block book call change charge check checkout claim clone close comment
    commit complete confirm copy count delay deposit display drop edit email empty exchange export extract filter
    fire flag follow force fork grant hold import index invite issue join kill label launch leave license like
    link list lock log lookup lower mark match merge move offer open order page patch pause pay pin place play
    post preview print process protect purchase push put query quote raise rank rate react recall record refresh
    refund register release reload reply report request reserve reset respond resume retry return rollback rotate
    run scale schedule score search set share ship sign split stage start stop store subscribe swap switch sync
    tag test track trade train transfer transition trigger update upgrade upload use view void vote wait warm
    withdraw write
"""
_TITLES = """
    archive block book change charge checkout comment deposit email exchange index label license link lock log
    match offer order page play quote record refund report request scale schedule score share stage store tag
    test track trade transfer vote
"""
_VAGUE = """
    adjust allow attest begin build call compile complete compose configure connect consume convert decrease deny
    expand expire extend finish hide increase lower make override prepare process produce propose raise recover
    redirect reduce respond use warm write
"""
_IRREGULAR = dict(
    pair.split("=")
    for pair in """
    begin=begun bind=bound build=built buy=bought find=found get=got hide=hidden hold=held leave=left make=made
    overwrite=overwritten pay=paid put=put read=read reset=reset run=run see=seen sell=sold send=sent set=set
    show=shown undo=undone withdraw=withdrawn write=written
    """.split()
)

ACTIONS: dict[str, Action] = {
    verb: action
    for action, verbs in (
        (Action.CHANGE, _CHANGE),
        (Action.RISKY, _RISKY),
        (Action.COMPUTE, _COMPUTE),
        (Action.RETRIEVE, _RETRIEVE),
    )
    for verb in verbs.split()
}
"""A verb in its base form -> what it does."""

NOUNS = frozenset(_ALSO_NOUNS.split())
"""Verbs that are nouns, or parts of names, as well: only their place says which."""

TITLES = frozenset(_TITLES.split())
"""Those of them that things are called by: `transfersGet` gets transfers, where `updateEstimate` updates."""

HARD = frozenset(verb for verb, action in ACTIONS.items() if action is Action.CHANGE) - NOUNS
"""Verbs that speak of a change wherever they stand in a name."""

VAGUE = frozenset(_VAGUE.split())
"""Verbs that the text of a read may hold: only as the verb of the operation do they speak of a change."""

WORK = frozenset(
    """
    analysis calculation calculations detection recognition classification validation estimation prediction translation
    comparison recommendation simulation similarity sentiment extraction forecast
    """.split()
)
"""Nouns of what is computed."""

COMPUTED = WORK | frozenset(
    """
    search query lookup estimate inquiry enquiry autocomplete suggestions recommendations preview count summary
    statistics stats metrics history availability eligibility status info details metadata
    """.split()
)
"""Nouns of what is only computed or looked up."""

RUN = frozenset(("execute", "run", "perform"))
"""Verbs that do what their object does: a query is run, and so is a job."""


_PREFIXES = ("re", "un", "dis", "de", "bulk", "auto", "pre", "multi", "mass")


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb as it is written somewhere."""

    base: str
    form: VerbForm

    @property
    def action(self) -> Action:
        return ACTIONS[self.base]


def verb_of(word: str) -> Verb | None:
    """Return the verb that a word in lower case is a form of, one of change also with a prefix: resends, unassign."""
    verb = _FORMS.get(word)
    if verb is not None:
        return verb
    for prefix in _PREFIXES:
        inner = _FORMS.get(word.removeprefix(prefix)) if word.startswith(prefix) else None
        if inner is not None and inner.base in HARD:
            return inner
    return None


def is_hard(word: str) -> bool:
    """Whether a word is, in its base form, a verb that speaks of a change wherever it stands in a name."""
    verb = verb_of(word)
    return verb is not None and verb.form is VerbForm.BASE and verb.base in HARD


def _forms() -> Iterator[tuple[str, Verb]]:
    for base in ACTIONS:
        stem = base.removesuffix("e")
        third = f"{base}es" if re.search(r"(s|x|z|ch|sh)$", base) else f"{base}s"
        past, ing = f"{stem}ed", f"{stem}ing"
        if re.search(r"[^aeiou]y$", base):
            third, past = f"{base[:-1]}ies", f"{base[:-1]}ied"
        elif re.search(r"(^|[^aeiou])[aeiou][bdgklmnprt]$", base):
            yield f"{base}{base[-1]}ing", Verb(base, VerbForm.ING)
            yield f"{base}{base[-1]}ed", Verb(base, VerbForm.PAST)
        yield ing, Verb(base, VerbForm.ING)
        yield past, Verb(base, VerbForm.PAST)
        yield _IRREGULAR.get(base, past), Verb(base, VerbForm.PAST)
        yield third, Verb(base, VerbForm.THIRD)
        yield base, Verb(base, VerbForm.BASE)


_FORMS: dict[str, Verb] = dict(_forms())
