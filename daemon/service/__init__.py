"""`inherentd` as a service: what is written where, for systemd and for launchd."""
