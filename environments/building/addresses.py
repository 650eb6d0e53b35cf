"""Addresses that a build's requests may go to: what a name stands for is looked at before, and that is what is called.

A name may stand for an address of this machine or its network today and for another one in a second (DNS rebinding),
so the address that was checked is the one that is connected to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Literal

Reach = Literal["public", "private", "loopback", "never"]
"""Where an address leads. never: link-local, of a cloud's metadata service, multicast, unspecified, reserved."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_WIDER: dict[Reach, tuple[Reach, ...]] = {
    "public": ("public",),
    "private": ("public", "private"),
    "loopback": ("public", "private", "loopback"),
    "never": ("public",),
}


class Refused(Exception):
    """An address that nothing of a build may reach. The message is one sentence."""


def reach_of(address: Address) -> Reach:
    """Where an address leads, also one of IPv4 inside one of IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return reach_of(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if (inner := address.ipv4_mapped or address.sixtofour) is not None:
            return reach_of(inner)
    if address.is_loopback:
        return "loopback"
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return "never"
    if address.is_global:
        return "public"
    return "never" if address.is_reserved else "private"


async def addresses_of(host: str, port: int) -> list[Address]:
    """What a host's name stands for now. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(where[0].partition("%")[0]) for *_, where in found))


async def allowed_addresses(host: str, port: int, base: Reach) -> list[str]:
    """The addresses of a host that something which itself lies at `base` may name. Raises Refused, OSError.

    An index on the internet may not send anybody to this machine or its network; one of this machine may.
    """
    found = await addresses_of(host, port)
    if kept := [str(one) for one in found if reach_of(one) in _WIDER[base]]:
        return kept
    raise Refused(f"{host} is an address of this machine or its network, which a build may not reach")
