"""The metadata services of clouds: nlapi's requests and the gateway's shards refuse the same addresses and names."""

from __future__ import annotations

import pytest

from nlapi.gateway.shards.checks import endpoint_fault
from nlapi.openapi.egress import ForbiddenAddressError, NetworkScope, check_host
from nlapi.openapi.urls import parse_url
from nlapi.routing.model import ShardProtocol
from tests.tables import table

REFUSED = (
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.42.42",
    "100.100.100.200",
    "100.96.0.96",
    "192.0.0.192",
    "168.63.129.16",
    "[fe80::a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "[fd20:ce::254]",
    "[::169.254.169.254]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0:a9fe:a9fe]",
    "[::ffff:0:6464:64c8]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[64:ff9b:1:a9fe:a9:fe00::]",
    "[64:ff9b:1:a9:fe:a9fe::]",
    "[64:ff9b:1:0:a9:fea9:fe00:0]",
    "[64:ff9b:1:abcd::c000:c0]",
    "[2002:a9fe:a9fe::]",
    "[2002:6464:64c8::1]",
    "[2001:0:a9fe:a9fe::1]",
    "[2001:0:808:808::5601:5601]",
    "[2600:1f00::5efe:a9fe:a9fe]",
    "[2600:1f00::200:5efe:6464:64c8]",
    "metadata",
    "metadata.google.internal",
    "metadata.google.internal.",
    "Metadata.Google.Internal",
    "metadata.goog",
    "metadata.tencentyun.com",
    "metadata.azure.internal",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.oraclecloud.com",
    "api.metadata.cloud.ibm.com",
    "instance-data",
    "instance-data.ec2.internal",
    "instance-data.eu-west-1.compute.internal",
    "rancher-metadata",
    "rancher-metadata.rancher.internal",
)

TAKEN_BY_BOTH = (
    "10.0.0.7",
    "127.0.0.1",
    "[::1]",
    "[fd12:3456::1]",
    "[2606:4700::1111]",
    "metadata.shop.example",
    "metadata.platform.svc.cluster.local",
    "instance-data.example.com",
    "models.internal",
)


@table("host", REFUSED)
def test_no_form_of_a_metadata_service_is_taken(host: str) -> None:
    for protocol in (ShardProtocol.JSON, ShardProtocol.OPEN_INFERENCE):
        assert endpoint_fault(f"http://{host}:8080/x", protocol)
    assert endpoint_fault(f"http://{host}:8001", ShardProtocol.OPEN_INFERENCE)
    for scope in (NetworkScope.LOCAL, NetworkScope.PUBLIC):
        with pytest.raises(ForbiddenAddressError):
            check_host(parse_url(f"http://{host}/latest/meta-data"), scope)


@table("host", TAKEN_BY_BOTH)
def test_addresses_of_private_networks_are_no_metadata_service(host: str) -> None:
    assert endpoint_fault(f"http://{host}:8080", ShardProtocol.JSON) == ""
    check_host(parse_url(f"http://{host}:8080"), NetworkScope.LOCAL)


@table("host", ["[64:ff9b::808:808]", "[64:ff9b:1::a00:1]", "[2002:808:808::1]", "[::ffff:10.0.0.1]"])
def test_other_addresses_in_the_same_forms_are_taken_where_their_network_is_allowed(host: str) -> None:
    check_host(parse_url(f"http://{host}"), NetworkScope.LOCAL)
    assert endpoint_fault(f"http://{host}", ShardProtocol.JSON) == ""


def test_a_zone_of_an_address_hides_nothing() -> None:
    for host in ("[fe80::1%25eth0]", "[::ffff:0:a9fe:a9fe%25eth0]", "[64:ff9b:1::a9fe:a9fe%251]"):
        assert endpoint_fault(f"http://{host}:80", ShardProtocol.JSON)
