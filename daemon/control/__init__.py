"""Requests to a running daemon, over a ZeroMQ ROUTER socket."""
