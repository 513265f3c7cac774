"""One file a subcommand of `inherent`."""
