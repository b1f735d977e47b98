"""Makes what is large and stays without looking through it for garbage again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """The cyclic collector rests in here: on half a million dicts that all stay it would take a third of the time.

    What was made counts as old afterwards, unless somebody has frozen objects of theirs, which thawing would mix in.
    """
    resting = not gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if not resting:
            gc.enable()
