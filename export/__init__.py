"""Checkpoints -> artifacts: one exporter a file, each checked against torch before it is called done."""
