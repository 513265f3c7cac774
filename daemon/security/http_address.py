"""HOST:PORT -> an address to bind for HTTP, and the names under which it may be asked."""

from __future__ import annotations

import ipaddress
import re

from inherentd.daemon.errors import ConfigurationError

EXAMPLE = "expected HOST:PORT, e.g. 127.0.0.1:5712 or [::1]:5712"


def parse(
    endpoint: str,
    *,
    setting: str = "metrics.endpoint",
    insecure: bool = False,
    permission: str = "security.insecure=true",
) -> tuple[str, int]:
    """Return the host and the port; port 0 is any free one. `setting` and `permission` are how the user calls them.

    Raises ConfigurationError for what is no address, and for one that other machines reach unless that is allowed.
    """
    match = re.fullmatch(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", endpoint, re.ASCII)
    if match is None or int(match["port"]) > 65535:
        raise ConfigurationError(f"{setting}: got {endpoint!r}, {EXAMPLE}")
    host = match["v6"] or match["host"]
    try:
        address = ipaddress.ip_address("127.0.0.1" if host in ("", "localhost") else host)
    except ValueError:
        raise ConfigurationError(f"{setting}: {host!r} is no IP address; {EXAMPLE}") from None
    if not (address.is_loopback or insecure):
        raise ConfigurationError(
            f"{setting}: other machines reach {host}, and nothing asks them who they are; "
            f"use 127.0.0.1, or allow it with {permission}"
        )
    return str(address), int(match["port"])


def is_own_name(host: str) -> bool:
    """Return whether a Host header names this machine, and not a name that a web page made point to it."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name.lower() in ("", "localhost"):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
