"""`nlapi mcp --config`: several APIs for a team, as one file says."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi import bundled
from nlapi.cli import console, target
from nlapi.credential_references import read_reference
from nlapi.errors import CredentialError, UsageError
from nlapi.extras import install_hint

if TYPE_CHECKING:
    from nlapi.mcp.access import TokenTable
    from nlapi.mcp.audit import AuditTrail
    from nlapi.mcp.http import ListenAddress
    from nlapi.mcp.team import OpenApi
    from nlapi.mcp.team_settings import TeamApi, TeamSettings
    from nlapi.tools.run import Target


def print_schema() -> None:
    """Print the published schema of the settings."""
    from nlapi.mcp.team_settings import SCHEMA

    console.write(bundled.text(SCHEMA).rstrip())


def serve_team(file: Path, http: str | None, timeout: float | None) -> None:
    """Serve what a file says, over stdio or HTTP; `http` replaces its address."""
    from nlapi.mcp.audit import CallMetrics
    from nlapi.mcp.http import HttpOptions
    from nlapi.mcp.server import serve_offer
    from nlapi.mcp.team import TeamOffer
    from nlapi.mcp.team_settings import read_team

    settings = read_team(file)
    http = http or settings.http or None
    if http is None and not settings.role:
        raise UsageError(f"{file}: over stdio there is no token", hint='[server] role = "..." says what it may do')
    if settings.traces:
        _export_traces(settings.traces)
    callers = _token_table(settings)
    metrics = CallMetrics() if settings.metrics and http else None
    offer = TeamOffer(
        settings,
        [_open(api, file.parent) for api in settings.apis],
        report=console.note,
        audit=_audit(settings, file.parent),
        metrics=metrics,
        limits=target.limits(timeout),
    )
    server = serve_offer(offer, ttl_seconds=settings.ttl_seconds)
    names = ", ".join(api.name for api in settings.apis)
    if http is None:
        from nlapi.mcp import stdio

        console.note(f"{names}: over stdio, as {settings.role}; an MCP client starts this and speaks to it")
        asyncio.run(stdio.serve(server))
        return
    from nlapi.cli.mcp import resource_server_of

    address = _listen_address(file, settings, http)
    options = HttpOptions(
        callers=callers,
        metrics=metrics.text if metrics is not None else None,
        metrics_token=_read(settings.metrics, "[server] metrics") if metrics is not None else "",
        stateless=settings.stateless,
        resource_server=resource_server_of(settings.issuer or None, settings.audience or None, address),
    )

    def on_ready(url: str) -> None:
        console.write(url)
        sys.stdout.flush()
        console.note(f"{names}: {console.count_noun(len(settings.clients), 'client')}; Ctrl-C stops it")

    from nlapi.mcp import http as http_server

    asyncio.run(http_server.serve(server, address, on_ready, offer.forget_session, options))


def _listen_address(file: Path, settings: TeamSettings, http: str) -> ListenAddress:
    """Return the address to listen on. UsageError where nobody could call, or anybody from another machine."""
    from nlapi.mcp.http import parse_listen_address

    if not settings.clients and not settings.role:
        raise UsageError(f"{file}: nobody may call", hint='[clients.NAME] token = "env:...", or [server] role = "..."')
    # The tokens of the clients are checked at each request, in the place of the one token of the address.
    address = replace(parse_listen_address(http, "of the clients"), token="")
    if settings.role and not address.is_loopback:
        message = f"{file}: {address.host} can be reached from other machines, and [server] role is for whoever calls"
        raise UsageError(message, hint="give each client a token, and no role without one")
    return address


def _open(api: TeamApi, folder: Path) -> OpenApi:
    """Return an API with its credentials. A file is seen from the folder of the settings."""
    from nlapi.mcp.team import OpenApi

    overlays = [_located(overlay, folder) for overlay in api.overlays]
    auth = [f"{scheme}={reference}" for scheme, reference in api.auth.items()]
    opened, values = target.open_target(
        _located(api.source, folder), api.base_url, auth or None, overlays, no_auth=api.no_auth
    )
    opened = _checked(opened, api)
    changes = {scheme: _read(text, f"[apis.{api.name}] change_auth") for scheme, text in api.change_auth.items()}
    return OpenApi(
        api=api, target=opened, change_credentials=changes if changes else None, values={**values, **api.known}
    )


def _checked(opened: Target, api: TeamApi) -> Target:
    """Return the target; UsageError for a credential of a scheme that the API has not."""
    for table, schemes in (("auth", api.auth), ("change_auth", api.change_auth)):
        for scheme in schemes:
            if scheme not in opened.spec.security_schemes:
                known = ", ".join(opened.spec.security_schemes) or "none"
                raise UsageError(f"[apis.{api.name}] {table}: {opened.spec.title} has no scheme {scheme!r}", hint=known)
    return opened


def _located(source: str, folder: Path) -> str:
    path = folder / Path(source).expanduser()
    return str(path) if "://" not in source and path.is_file() else source


def _read(reference: str, place: str) -> str:
    """Return the secret that is referred to. CredentialError where it is not there or empty."""
    if not (value := read_reference(reference, place).strip()):
        raise CredentialError(f"{place}: {reference} holds only spaces")
    return value


def _token_table(settings: TeamSettings) -> TokenTable:
    from nlapi.mcp.access import TeamCaller, TokenTable

    tokens: dict[str, TeamCaller] = {}
    subjects = {c.subject: TeamCaller(name=c.name, role=c.role) for c in settings.clients if c.subject}
    for client in settings.clients:
        if client.subject:
            continue
        token = _read(client.token, f"[clients.{client.name}] token")
        if token in tokens:
            raise UsageError(f"[clients.{client.name}] has the token of {tokens[token].name}", hint="give each its own")
        tokens[token] = TeamCaller(name=client.name, role=client.role)
    table = TokenTable.of(tokens, TeamCaller(role=settings.role) if settings.role else None)
    return replace(table, subjects=subjects)


def _audit(settings: TeamSettings, folder: Path) -> AuditTrail | None:
    from nlapi.mcp.audit import AuditTrail

    return AuditTrail(folder / Path(settings.audit).expanduser()) if settings.audit else None


def _export_traces(url: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send the spans that the SDK of MCP makes of each message to a collector."""
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UsageError(
            "[server] traces needs OpenTelemetry, which is not installed", hint=install_hint("otel")
        ) from None
    name = environment.get("OTEL_SERVICE_NAME", "nlapi-mcp")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
