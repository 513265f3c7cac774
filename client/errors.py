"""The one base exception of the client library."""


class ClientError(Exception):
    """Something the user can mend: one line that says what was got, what was expected and what to do."""


def printable(text: object) -> str:
    """Return a text of the other end as it can be shown: a space for each line break, and for all that a terminal obeys."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))


def one_line(text: object) -> str:
    """Return a printable text without spaces at its ends, and one between its words."""
    return " ".join(printable(text).split())
