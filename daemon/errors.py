"""The base exception of the daemon, and the one that no restart will mend."""


class DaemonError(Exception):
    """Something the user can mend: one line that says what was got, what was expected and what to do."""


class ConfigurationError(DaemonError):
    """A setting makes no sense: it fails the same way each time, so a service that ends with it (code 2) stays down."""
