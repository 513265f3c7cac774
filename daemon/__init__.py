"""`inherentd`: the process that listens and publishes. Never needs torch."""
