"""The ways to log in to an API: sets of security schemes that its operations accept, the easiest for a person first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nlapi.cli.ask.prompts import choose
from nlapi.client.safe_text import single_line

if TYPE_CHECKING:
    from nlapi.openapi.spec import SecurityScheme, Spec

_OAUTH = ("oauth2", "openIdConnect")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginWay:
    """Security schemes that are logged in to together, by credentials or, in the browser, by OAuth."""

    schemes: tuple[SecurityScheme, ...]
    takes_token: bool = True
    """whether the person types a credential; if not, an authorization server gives a token to a client id"""
    uses: int = 0
    """the number of operations that accept it"""

    @property
    def is_oauth(self) -> bool:
        """Whether one of the schemes gets its token from an authorization server."""
        return any(scheme.kind in _OAUTH for scheme in self.schemes)

    @property
    def label(self) -> str:
        """What a person chooses by."""
        from nlapi.client.auth import credential_kind

        first = self.schemes[0]
        if not self.takes_token:
            is_password = set(first.flows) == {"password"}
            return f"{_name(first)}: {'with user and password' if is_password else 'in the browser, with a client id'}"
        if self.is_oauth and len(self.schemes) == 1:
            return f"{_name(first)}: an access token that you have"
        return " and ".join(f"{_name(scheme)} ({credential_kind(scheme)})" for scheme in self.schemes)


def _name(scheme: SecurityScheme) -> str:
    return single_line(scheme.id)[:60]


def login_ways(spec: Spec) -> list[LoginWay]:
    """Return the ways that the operations accept, those that need the least from a person first, then the most used.

    Empty where no operation takes a credential that can be sent.
    """
    from nlapi.client.auth import alternatives

    counts: Counter[tuple[str, ...]] = Counter()
    for operation in spec.operations:
        counts.update(tuple(credential.id for credential in way) for way in alternatives(operation) if way)
    if not counts and len(usable := [scheme.id for scheme in spec.security_schemes.values() if not scheme.fault]) == 1:
        counts[(usable[0],)] = 0
    typed, with_token, with_client = [], [], []
    for ids, uses in counts.most_common():
        schemes = tuple(spec.security_schemes[id] for id in ids)
        if not LoginWay(schemes=schemes).is_oauth:
            typed.append(LoginWay(schemes=schemes, uses=uses))
            continue
        with_token += [LoginWay(schemes=schemes, uses=uses)] if len(schemes) == 1 else []
        with_client.append(LoginWay(schemes=schemes, takes_token=False, uses=uses))
    return [*typed, *with_token, *with_client]


def requires_login(spec: Spec) -> bool:
    """Return whether some operation can only be called with a credential."""
    from nlapi.client.auth import alternatives

    return any(
        operation.usable and operation.security and all(alternatives(operation)) for operation in spec.operations
    )


def choose_way(ways: list[LoginWay]) -> LoginWay | None:
    """Return the way that the person chooses; None for later. A single way without a client is not asked about."""
    if len(ways) == 1 and ways[0].takes_token:
        return ways[0]
    number = choose("How do you log in?", [way.label for way in ways], otherwise="later")
    return None if number is None else ways[number]
