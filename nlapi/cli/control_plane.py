"""`nlapi gateway control-plane`: the gateway that decides, for Envoys that run elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from nlapi.cli.gateway_planes import (
    CONTROL_PORT,
    ENVOY_PORT,
    AccessLog,
    ControlCertificate,
    EnvoyHost,
    EnvoyPort,
    OtlpPercent,
    OtlpUrl,
    PlaneOptions,
    ShardCa,
    ShardCert,
    ShardKey,
    check_control_host,
    read_telemetry,
)
from nlapi.cli.gateway_run import GatewaySetup, run_gateway, setup_options
from nlapi.cli.options import option
from nlapi.errors import UsageError
from nlapi.extras import require_extra

EXAMPLE = """nlapi gateway control-plane --config gateway.json --bootstrap envoy.json
envoy --config-path envoy.json"""


@setup_options
def control_plane(
    setup: GatewaySetup,
    control_host: Annotated[
        str, option("--control-host HOST", "The address at which Envoys find the control plane.")
    ] = "127.0.0.1",
    control_port: Annotated[int, option("--control-port PORT", "Its port, for gRPC.", min=1, max=65535)] = CONTROL_PORT,
    control_cert: Annotated[
        Path | None, option("--control-cert FILE", "The certificate that it shows to Envoys.")
    ] = None,
    control_key: Annotated[Path | None, option("--control-key FILE", "The key of that certificate.")] = None,
    control_client_ca: Annotated[
        Path | None, option("--control-client-ca FILE", "Serve Envoys with a certificate of these authorities.")
    ] = None,
    bootstrap: Annotated[
        Path | None, option("--bootstrap FILE", "Write the file that an Envoy is started with, and go on.")
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
        option("--gateway-address HOST:PORT", "Where Envoy reaches this gateway, if not at --host and --port."),
    ] = None,
    envoy_host: EnvoyHost = "127.0.0.1",
    envoy_port: EnvoyPort = ENVOY_PORT,
    envoy_access_log: AccessLog = None,
    otlp: OtlpUrl = None,
    otlp_percent: OtlpPercent = 100,
    envoy_cert: Annotated[
        str | None, option("--envoy-cert FILE", "The certificate of Envoy's listener, a file there.")
    ] = None,
    envoy_key: Annotated[str | None, option("--envoy-key FILE", "The key of that certificate, a file there.")] = None,
    envoy_client_ca: Annotated[
        str | None,
        option("--envoy-client-ca FILE", "Envoy refuses clients without a certificate of these authorities."),
    ] = None,
    shard_ca: ShardCa = None,
    shard_cert: ShardCert = None,
    shard_key: ShardKey = None,
) -> None:
    """Start a gateway whose revisions configure Envoys that run elsewhere, by delta xDS over gRPC.

    It is a gateway as `serve` starts it, and serves what Envoy cannot carry. `--bootstrap` writes what an Envoy needs.
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
    plane = PlaneOptions(
        runs_envoy=False,
        host=envoy_host,
        port=envoy_port,
        access_log=envoy_access_log or "",
        otlp=read_telemetry(otlp, otlp_percent),
        certificate=listener,
        shard_authorities=shard_ca or "",
        shard_certificate=shard_cert or "",
        shard_key=shard_key or "",
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
