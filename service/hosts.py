"""By which name was the service called?

A page on the web can point a name of its own at this machine (DNS rebinding) and so read, through
the browser of someone here, what a service on loopback answers without a key. Addresses and names
without a dot cannot be taken that way.
"""

import ipaddress
from collections.abc import Collection


def is_local_name(host: str, allowed: Collection[str]) -> bool:
    """Whether a Host header names an address, this machine, or one of the `allowed` names."""
    name = host_name(host)
    if "." not in name or name.endswith(".localhost") or name in allowed:
        return True
    return _is_address(name)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches a socket that listens at this address."""
    return _is_address(address) and ipaddress.ip_address(address).is_loopback


def host_name(host: str) -> str:
    """The name in a Host header, in small letters, without its port."""
    if host.startswith("["):  # an IPv6 address
        return ""
    return host.rsplit(":", 1)[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
