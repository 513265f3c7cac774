"""The one base exception of the bridges."""

from inherentd.daemon.errors import DaemonError


class BridgeError(DaemonError):
    """Something the user, or the program at the other end, can mend: one line that says what was got and expected."""
