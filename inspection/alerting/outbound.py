"""Which hosts a webhook may reach, and a way out that reaches no others.

Whoever may name a webhook could otherwise have this program post to machines that only it can
reach: controllers, routers, the metadata service of a cloud. So loopback, private, link-local,
multicast and all other addresses that are not of the public internet are refused, unless they are
allowed by name. Every address a name stands for is looked at, and the connection is made to an
address that was looked at, so that a name that means something else a moment later gains nothing.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import httpx

from inspection.errors import DeliveryError

Address = IPv4Address | IPv6Address
#: Gives all addresses of a host.
Resolver = Callable[[str], Awaitable[Sequence[str]]]

#: Setting that allows hosts by name; refusals speak of it.
SETTING: Final = "INSPECTION_WEBHOOK_HOSTS"
#: Networks whose last 32 bits are an IPv4 address that a gateway goes on to.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, kw_only=True)
class Outbound:
    """What may be reached besides the public internet."""

    #: Names of hosts, addresses, or networks such as 10.1.0.0/16.
    webhook_hosts: tuple[str, ...] = ()

    def checked(self, host: str, addresses: Sequence[str]) -> list[str]:
        """Return the addresses of `host` if every one of them may be reached.

        Raises:
            DeliveryError: permanent: one may not be; the message names the setting.
        """
        if host.lower().rstrip(".") not in {name.lower() for name in self.webhook_hosts}:
            for address in addresses:
                if not self._may_reach(ipaddress.ip_address(address)):
                    where = address if host == address else f"{host}, that is {address},"
                    raise DeliveryError(
                        f"{where} is not on the public internet: if it is meant, put {host} "
                        f"into {SETTING}",
                        is_permanent=True,
                    )
        return list(addresses)

    def _may_reach(self, address: Address) -> bool:
        meant = _meant(address)
        is_public = meant.is_global and not (
            meant.is_multicast
            or meant.is_reserved
            or (isinstance(meant, IPv6Address) and meant.is_site_local)
        )
        return is_public or any(meant in network for network in self._networks())

    def _networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        found = []
        for name in self.webhook_hosts:
            try:
                found.append(ipaddress.ip_network(name.strip("[]"), strict=False))
            except ValueError:
                continue  # a name of a host
        return found


#: Nothing but the public internet.
PUBLIC: Final = Outbound()


class GuardedTransport(httpx.AsyncBaseTransport):
    """Looks a request's host up, checks its addresses, and connects to one of those."""

    def __init__(self, outbound: Outbound, resolve: Resolver, trusted: ssl.SSLContext) -> None:
        self._outbound = outbound
        self._resolve = resolve
        self._transport = httpx.AsyncHTTPTransport(verify=trusted, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            DeliveryError: permanent: an address of the host may not be reached.
            httpx.InvalidURL: there is no host.
            httpx.ConnectError: the name is unknown, or no address answers.
        """
        host = request.url.raw_host.decode("ascii")
        if not host:
            raise httpx.InvalidURL("it names no host")
        try:
            addresses = await self._resolve(host)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"the name {host} is not known: {error}") from error
        checked = self._outbound.checked(host, addresses)
        for place, address in enumerate(checked, start=1):
            try:
                return await self._transport.handle_async_request(_towards(address, request, host))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if place == len(checked):
                    raise
        raise httpx.ConnectError(f"the name {host} has no address")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


async def looked_up(host: str) -> list[str]:
    """Return the addresses of a host, as this machine knows them, the preferred one first.

    Raises:
        OSError: there is none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def _towards(address: str, request: httpx.Request, host: str) -> httpx.Request:
    """Return the request to one address; its Host header and certificate are those of the host."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address carries in itself, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
