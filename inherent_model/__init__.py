"""Heads, corpus, architecture, training, evaluation and thresholds of the model."""
