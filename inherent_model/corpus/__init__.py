"""From sentences to labelled audio: grammar, text corpora, synthesizers, manifest."""
