"""`metrics.endpoint`: HOST:PORT -> an address to bind."""

from __future__ import annotations

import ipaddress
import re

from inherentd.daemon.errors import ConfigurationError

EXAMPLE = "expected HOST:PORT, e.g. 127.0.0.1:5712 or [::1]:5712"


def parse(endpoint: str, *, insecure: bool = False) -> tuple[str, int]:
    """Return the host and the port; port 0 is any free one.

    Raises ConfigurationError for what is no address, and for one that other machines reach unless that is allowed.
    """
    match = re.fullmatch(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", endpoint, re.ASCII)
    if match is None or int(match["port"]) > 65535:
        raise ConfigurationError(f"metrics.endpoint: got {endpoint!r}, {EXAMPLE}")
    host = match["v6"] or match["host"]
    try:
        address = ipaddress.ip_address("127.0.0.1" if host in ("", "localhost") else host)
    except ValueError:
        raise ConfigurationError(f"metrics.endpoint: {host!r} is no IP address; {EXAMPLE}") from None
    if not (address.is_loopback or insecure):
        raise ConfigurationError(
            f"metrics.endpoint: other machines reach {host}, and nothing asks them who they are; "
            "use 127.0.0.1, or allow it with security.insecure=true"
        )
    return str(address), int(match["port"])
