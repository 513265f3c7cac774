"""The one base exception of the pipeline, and how those of libraries are quoted in it."""


class PipelineError(Exception):
    """Something the user can mend: the message says what was got, what was expected and what to do."""


def first_line(error: Exception) -> str:
    """Return the first line of what a library says, or the exception's name where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
