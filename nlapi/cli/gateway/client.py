"""Calls the operations of a running gateway for the commands of `nlapi gateway`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nlapi.cli import target
from nlapi.cli.options import Auth, option, options_of
from nlapi.cli.render import console
from nlapi.client.transport import TlsFiles
from nlapi.errors import CredentialError, NlapiError, SendError

if TYPE_CHECKING:
    from nlapi.agent.records.receipts import ConsentOutcome, ConsentReceipt
    from nlapi.tools.sending.run import Prepared
    from nlapi.tools.tool import Call

TOKEN = "NLAPI_GATEWAY_TOKEN"  # noqa: S105 - the name of a variable

Ca = Annotated[Path | None, option("--ca FILE", f"Trust only these authorities. Default: ${target.GATEWAY_CA}.")]


class RefusedCallError(NlapiError):
    """The gateway answered with a 4xx."""

    exit_code = 4


class FailedCallError(NlapiError):
    """The gateway answered with a 5xx."""

    exit_code = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConnection:
    """The options that say where the gateway is, and how to reach it."""

    # A field's type carries its option, as in `Setup`.
    url: Annotated[str | None, option("--base-url --url URL", "The gateway's URL, such as http://127.0.0.1:8700.")] = (
        None
    )
    auth: Auth = field(default=None, repr=False)
    ca: Ca = None
    client_cert: Annotated[
        Path | None,
        option("--client-cert FILE", f"Your certificate, for --tls-client-ca. Default: ${target.GATEWAY_CLIENT_CERT}."),
    ] = None
    client_key: Annotated[
        Path | None,
        option("--client-key FILE", f"Its key, if in another file. Default: ${target.GATEWAY_CLIENT_KEY}."),
    ] = None


connection_options = options_of(GatewayConnection, "connection")
"""Replaces the parameter `connection` of a command by the options of a GatewayConnection."""


class GatewayClient:
    """A caller of the gateway's operations, through the same pipeline as every other API."""

    def __init__(self, connection: GatewayConnection, overlays: Sequence[str] = ()) -> None:
        auth = connection.auth or ([f"admin=env:{TOKEN}"] if os.environ.get(TOKEN) else [])
        opened, _ = target.open_target("gateway", connection.url, auth, overlays)
        if connection.ca or connection.client_cert or connection.client_key:
            before = opened.tls or TlsFiles()
            tls = TlsFiles(
                authorities=connection.ca or before.authorities,
                certificate=connection.client_cert or before.certificate,
                # A key belongs to its certificate: that of the variable is not the option's.
                key=connection.client_key or (None if connection.client_cert else before.key),
            )
            opened = replace(opened, tls=tls)
        self._target = opened

    def _call(self, operation: str, arguments: Mapping[str, object]) -> Call:
        from nlapi.tools.compile import compile_tool
        from nlapi.tools.tool import Call

        return Call(tool=compile_tool(self._target.spec.operation(operation)), arguments=dict(arguments))

    def prepare(self, operation: str, arguments: Mapping[str, object]) -> Prepared:
        """Return the request of a call, which is not sent."""
        from nlapi.tools.sending.run import prepare

        return prepare(self._call(operation, arguments), self._target)

    def __call__(
        self,
        operation: str,
        arguments: Mapping[str, object],
        *,
        yes: bool = False,
        receipt: ConsentReceipt | None = None,
    ) -> Any:
        """Return the data of an answer; `yes` consents to a change. RefusedCallError or FailedCallError otherwise.

        `receipt` is that of the consent, which gets what came of the call.
        """
        from nlapi.agent.records.receipts import settled
        from nlapi.tools.repetition.ledger import Ledger
        from nlapi.tools.sending.run import run
        from nlapi.wait import wait

        if not self._target.credentials:
            raise CredentialError(
                f"the gateway needs a token, and the variable {TOKEN} is not set",
                hint=f"export {TOKEN}=...: `nlapi gateway serve` shows one once, `nlapi gateway token NAME` makes one",
            )

        async def consent(prepared: Prepared) -> bool:
            return yes and not prepared.requires_question

        def settle(outcome: ConsentOutcome, status: int | None) -> None:
            if receipt is not None:
                console.write_receipt(receipt.with_outcome(outcome, status))

        try:
            # Each command of an operator is separate, and is sent however often the operator gives it.
            target = replace(self._target, ledger=Ledger())
            result = wait(settled(run(self._call(operation, arguments), target, consent), settle))
        except SendError as error:
            # TLS 1.3 refuses a missing certificate after the handshake, which looks like a connection that breaks.
            if "https://" in error.message and not error.hint:
                error.hint = "if it asks for a certificate (--tls-client-ca), give yours: --client-cert, --client-key"
            raise
        if not result.ok:
            problem = result.data if isinstance(result.data, dict) else {}
            error_type = FailedCallError if result.status >= 500 else RefusedCallError
            raise error_type(
                f"the gateway answered {result.status}: {problem.get('detail', '')}", hint=str(problem.get("hint", ""))
            )
        return result.data
