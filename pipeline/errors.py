"""The one base exception of the pipeline."""


class PipelineError(Exception):
    """Something the user can mend: the message says what was got, what was expected and what to do."""
