"""From what the user typed to an API that can be talked to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nlapi.cli import profile
from nlapi.errors import CredentialError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.tools.run import Target


def load(source: str) -> Spec:
    """The Spec of a registered API, or of anything that `nlapi.load` takes."""
    import nlapi

    registered = profile.find(source)
    return nlapi.load(registered.source if registered else source)


def open_target(
    source: str, base_url: str | None, auth: list[str] | None, known: Mapping[str, str] | None = None
) -> tuple[Target, dict[str, str]]:
    """The Target of `source` and the values that are known for it: those of its profile, the user's over them."""
    import nlapi
    from nlapi.tools.run import Target

    registered = profile.find(source) or profile.Profile(source=source)
    spec = nlapi.load(registered.source)
    references = {**registered.auth, **profile.pairs(auth, "--auth")}
    target = Target(
        spec=spec,
        base_url=base_url or registered.base_url,
        credentials={scheme: credential(scheme, value) for scheme, value in references.items()},
    )
    return target, {**registered.known, **(known or {})}


def credential(scheme: str, reference: str) -> str:
    """The credential behind `env:NAME`, or `reference` itself. CredentialError when the variable is not set."""
    if not reference.startswith("env:"):
        return reference
    name = reference.removeprefix("env:")
    value = os.environ.get(name)
    if not value:
        raise CredentialError(f"the environment has no {name}, which --auth {scheme} names", hint=f"export {name}=...")
    return value
