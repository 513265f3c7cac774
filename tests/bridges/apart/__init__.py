"""Tests that need an environment of their own: pipecat-ai and livekit-agents cannot be installed beside the pinned packages
(`make test-bridges` makes it). pytest enters this folder only when it is named.
"""
