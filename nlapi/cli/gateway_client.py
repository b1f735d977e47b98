"""Calls the operations of a running gateway for the commands of `nlapi gateway`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from nlapi.cli import target
from nlapi.errors import CredentialError, NlapiError

TOKEN = "NLAPI_GATEWAY_TOKEN"  # noqa: S105 - the name of a variable

Url = Annotated[
    str | None,
    typer.Option("--base-url", "--url", metavar="URL", help="Where the gateway is: http://127.0.0.1:8700."),
]


class RefusedCallError(NlapiError):
    """The gateway answered with a 4xx."""

    exit_code = 4


class FailedCallError(NlapiError):
    """The gateway answered with a 5xx."""

    exit_code = 5


class GatewayClient:
    """A caller of the gateway's operations, through the same pipeline as every other API."""

    def __init__(self, url: str | None, auth: list[str] | None, overlays: Sequence[str] = ()) -> None:
        auth_options = auth or ([f"admin=env:{TOKEN}"] if os.environ.get(TOKEN) else [])
        self._target, _ = target.open_target("gateway", url, auth_options, overlays)

    def __call__(self, operation: str, arguments: Mapping[str, object], *, yes: bool = False) -> Any:
        """Return the data of an answer; `yes` consents to a change. RefusedCallError or FailedCallError otherwise."""
        import nlapi

        credentials = self._target.credentials
        if not credentials:
            raise CredentialError(
                f"the gateway wants a token, and the environment has no {TOKEN}",
                hint=f"export {TOKEN}=..., which `nlapi gateway serve` shows once, or `nlapi gateway token NAME` makes",
            )
        result = nlapi.call(
            self._target.spec, operation, arguments, base_url=self._target.base_url, auth=dict(credentials), yes=yes
        )
        if not result.ok:
            problem = result.data if isinstance(result.data, dict) else {}
            error = FailedCallError if result.status >= 500 else RefusedCallError
            raise error(
                f"the gateway answered {result.status}: {problem.get('detail', '')}", hint=str(problem.get("hint", ""))
            )
        return result.data
