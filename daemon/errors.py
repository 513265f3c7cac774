"""The one base exception of the daemon."""


class DaemonError(Exception):
    """Something the user can mend: one line that says what was got, what was expected and what to do."""
