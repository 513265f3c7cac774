"""Are the addresses free that the daemon wants, and is the folder of its sockets its own?"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import zmq

from inherentd.daemon.doctor.finding import Finding
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.security import http_address


def zmq_endpoint(key: str, endpoint: str, *, running: bool) -> Finding:
    """Could the daemon bind it? running: a daemon was heard on publish.endpoint, and what is taken is probably its."""
    if _connects(endpoint):
        return _taken(key, endpoint, running=running)
    with zmq.Context() as context, context.socket(zmq.PUB) as probe:
        probe.setsockopt(zmq.LINGER, 0)
        try:
            probe.bind(endpoint)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                return _taken(key, endpoint, running=running)
            why = zmq.strerror(error.errno or 0)
            advice = f"set {key} to e.g. tcp://127.0.0.1:5710 or ipc:///run/user/{os.getuid()}/inherentd.sock"
            return Finding(key, "failure", f"{endpoint} cannot be bound: {why}", advice)
    return Finding(key, "ok", f"{endpoint} is free")


def metrics_endpoint(endpoint: str | None, *, insecure: bool, running: bool) -> Finding:
    """Could /metrics and /health be served?"""
    key = "metrics.endpoint"
    if endpoint is None:
        return Finding(key, "ok", "off")
    try:
        host, port = http_address.parse(endpoint, insecure=insecure)
    except DaemonError as error:
        return Finding(key, "failure", str(error).removeprefix(f"{key}: "))
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return _taken(key, endpoint, running=running)
    return Finding(key, "ok", f"{endpoint} is free")


def folder(path: Path, user: int) -> Finding:
    """Is the folder of the sockets nobody else's? user: the one that the daemon runs as."""
    name = "runtime folder"
    try:
        found = path.lstat()  # a link in a folder that all may write to leads anywhere
    except FileNotFoundError:
        return Finding(name, "ok", f"{path} is made when the daemon starts")
    except OSError as error:
        return Finding(name, "failure", f"{path}: {error.strerror}", "set XDG_RUNTIME_DIR to a folder of this user")
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
        owner = f"belongs to user {found.st_uid}, not to {user}"
        what = owner if stat.S_ISDIR(found.st_mode) else "is no folder"
        return Finding(name, "failure", f"{path} {what}", f"remove it: rm -r {path}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):o}"
        return Finding(name, "warning", f"{path} is open to other users (mode {mode})", f"chmod 700 {path}")
    return Finding(name, "ok", f"{path} is this user's alone")


def _connects(endpoint: str) -> bool:
    # A second bind to an ipc path succeeds and takes it away from the daemon that has it.
    if not endpoint.startswith("ipc:///"):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            return probe.connect_ex(endpoint.removeprefix("ipc://")) == 0
        except OSError:  # too long: the bind says it better
            return False


def _taken(key: str, endpoint: str, *, running: bool) -> Finding:
    if running:
        return Finding(key, "ok", f"{endpoint} is held by the running daemon")
    advice = f"stop what holds it (ss -ltnp, or lsof -i, name it), or choose another with --set {key}=..."
    return Finding(key, "failure", f"{endpoint} is in use", advice)
