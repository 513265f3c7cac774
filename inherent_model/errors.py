"""The one base exception of the model side."""


class ModelError(Exception):
    """Something the user can mend: the message says what was got, what was expected and what to do."""
