"""The rules of a gateway in the caller's process: fetched once, followed from then on, and decided by locally."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson

from nlapi.errors import ArgumentError, SendError
from nlapi.gateway.client.gateway_client import IDLE_S, WATCH_WAIT_S, LoopThread, RawAnswer, answer_error, follow, get
from nlapi.gateway.control.codec import decode_configuration, slug
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.shards.client import parse_endpoint
from nlapi.gateway.shards.http_client import EndpointClient
from nlapi.routing.check import check_context
from nlapi.routing.explain import Explanation
from nlapi.routing.model import Context, Decision
from nlapi.routing.table import Table, UnknownObjectiveError, compile_table

_NO_CONTEXT: Context = {}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    table: Table
    digest: str
    etag: str


class LocalRules:
    """The rules of a gateway, for deciding in this process; `nlapi.gateway.LocalRules`. Close it.

    `url` is the gateway's address and `token` an admin token, of the role viewer: the document names what its overrides
    name. The first document is fetched here, and each later revision replaces it as soon as it is published; while the
    gateway cannot be asked the last one decides, and `fault` says why. Any thread may decide. `on_change` gets each new
    revision's number, in the thread that follows. Errors as `nlapi.gateway.Client.resolve`.
    """

    def __init__(
        self, url: str, token: str, *, timeout_s: float = 10.0, on_change: Callable[[int], None] | None = None
    ) -> None:
        # Without a tag, as at first, it does not wait; the answer's tag is then of the content too.
        self._url = f"{parse_endpoint(url)}/v1/configuration?{urlencode({'wait': WATCH_WAIT_S})}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s
        self._on_change = on_change
        self._http = EndpointClient(IDLE_S)
        self._loop = LoopThread("nlapi gateway rules")
        self._following: asyncio.Task[None] | None = None
        self._fetched: _Fetched
        self._fault = ""
        try:
            self._loop.run(self._start())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LocalRules:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def revision(self) -> int:
        """The number of the revision that decides here."""
        return self._fetched.table.revision

    @property
    def digest(self) -> str:
        """The sha256 of the document that decides here, in base64."""
        return self._fetched.digest

    @property
    def fault(self) -> str:
        """The reason that the last question to the gateway failed; "" while the rules are followed."""
        return self._fault

    def decide(self, objective: str, context: Context = _NO_CONTEXT, *, client: str = "") -> Decision:
        """Return the decision that the gateway would make, without asking it: about a microsecond.

        `client` is the name of the client that would send the request. ArgumentError for an objective that there is
        not, and for a context with a field that it does not declare or a value that the field does not take.
        """
        table = self._fetched.table
        return table.decide(_checked(table, objective, context), context, client)

    def explain(self, objective: str, context: Context = _NO_CONTEXT, *, client: str = "") -> Explanation:
        """Return the same decision, with each step on the way to it."""
        table = self._fetched.table
        return table.explain(_checked(table, objective, context), context, client)

    def close(self) -> None:
        """Stop following, and close the connection. UsageError in `on_change`."""
        self._loop.close(self._stop())

    async def _start(self) -> None:
        answer = await get(self._http, self._url, self._headers, self._timeout_s)
        if answer.status != 200:
            raise answer_error(answer)
        self._fetched = await asyncio.to_thread(_read, answer)
        self._following = asyncio.create_task(follow(self._ask, self._take, self._fetched.etag, self._report))

    async def _stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._http.close()

    async def _ask(self, etag: str) -> RawAnswer:
        return await get(
            self._http, self._url, {**self._headers, "If-None-Match": etag}, WATCH_WAIT_S + self._timeout_s
        )

    async def _take(self, answer: RawAnswer) -> None:
        self._fetched = await asyncio.to_thread(_read, answer)
        if self._on_change is None:
            return
        try:
            self._on_change(self.revision)
        except Exception:  # a fault of the caller's, which must not end the following
            _log.exception("on_change failed for revision %d", self.revision)

    def _report(self, fault: str) -> None:
        self._fault = fault


def _checked(table: Table, objective: str, context: Context) -> str:
    """Return the stored spelling of an objective's name, for a context that it takes."""
    objectives = table.configuration.objectives
    declared = objectives.get(objective) or objectives.get(slug(objective))
    if declared is None:
        error = UnknownObjectiveError(objective, tuple(objectives))
        raise ArgumentError(str(error), hint=error.hint)
    if issues := check_context(declared, context):
        raise ArgumentError(f"{issues[0].where}: {issues[0].message}", hint=issues[0].hint)
    return declared.name


def _read(answer: RawAnswer) -> _Fetched:
    """Return the rules of an answer, compiled; SendError where it is not a whole document of a gateway."""
    digest = b64encode(sha256(answer.body).digest()).decode()
    if answer.digest not in ("", digest):
        raise SendError("the rules differ from their digest", hint="something on the way changed them")
    try:
        document: Any = orjson.loads(answer.body)
        table = compile_table(decode_configuration(document), int(document.get("revision", 0)))
    except (ValueError, KeyError, TypeError, AttributeError, GatewayProblem):
        raise SendError("the rules are not those of a gateway", hint="check the address") from None
    table.compile_all()
    return _Fetched(table=table, digest=digest, etag=answer.etag)
