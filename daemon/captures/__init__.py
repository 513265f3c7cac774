"""Feedback: recent utterances and near misses on disk, where asked for, to be listened to, labelled and trained with."""
