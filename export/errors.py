"""The one base exception of the exporters."""

from inherentd.inherent_model.errors import ModelError


class ExportError(ModelError):
    """An artifact could not be written, or it does not score as the checkpoint does."""
