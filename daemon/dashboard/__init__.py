"""A page that shows a running daemon live. Needs the extra `dashboard`; nothing else of the daemon imports it."""
