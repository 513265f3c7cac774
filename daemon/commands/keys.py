"""Make keys, and say which clients may connect. With them the daemon can be reached from other machines (docs/security.md).

on the device    inherentd keys new
on the client    inherentd keys new laptop --out laptop.key
on the device    inherentd keys authorize laptop laptop.pub
                 inherentd --set security.curve=true --set publish.endpoint=tcp://0.0.0.0:5710
on the client    inherentd listen --endpoint tcp://DEVICE:5710 --server-key server.pub --key laptop.key
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from inherentd.client import keys
from inherentd.daemon import config_layers, security
from inherentd.daemon.commands.arguments import add_config_arguments
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.security import clients, new_keys
from inherentd.daemon.security.clients import Client
from inherentd.daemon.security.permissions import PERMISSIONS, Permission


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd keys`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make the daemon's pair of keys, or with a name a client's")
    new.add_argument("client", nargs="?", metavar="CLIENT", help="make this client's keys instead of the daemon's")
    new.add_argument("--out", type=Path, metavar="FILE", help="of the client's secret key (default: FOLDER/CLIENT.key)")
    new.add_argument("--force", action="store_true", help="replace a key that exists; whoever uses it is locked out")
    show = actions.add_parser("show", help="print the daemon's public key, and the clients with their permissions")
    show.add_argument("--json", action="store_true", help="as one JSON object")
    authorize = actions.add_parser("authorize", help="let a client connect, or change what it may have")
    authorize.add_argument("client", metavar="NAME")
    authorize.add_argument("key", metavar="PUBLIC_KEY", help="as itself (quoted) or as a file, e.g. laptop.pub")
    authorize.add_argument(
        "--allow",
        type=_permissions,
        default=["events"],
        metavar="LIST",
        help="of events (all topics but audio), audio and control, with commas between (default: events)",
    )
    revoke = actions.add_parser("revoke", help="let a client connect no more; takes effect within a second or two")
    revoke.add_argument("client", metavar="NAME")
    for action in (new, show, authorize, revoke):
        action.add_argument("--keys", type=Path, metavar="FOLDER", help="of the keys (default: security.keys)")
        add_config_arguments(action)


def run(arguments: argparse.Namespace) -> int:
    """Do one of new, show, authorize and revoke."""
    config = config_layers.load(arguments.config, os.environ, arguments.assignments)
    folder = arguments.keys or security.keys_folder(config.security)
    match arguments.action:
        case "new" if arguments.client:
            _new_client(folder, new_keys.check_name(arguments.client), arguments.out, force=arguments.force)
        case "new":
            _new_server(folder, arguments.out, force=arguments.force)
        case "show":
            _show(folder, as_json=arguments.json)
        case "authorize":
            client = Client(keys.public_key(arguments.key).decode(), arguments.allow)
            clients.write(folder, clients.read(folder) | {new_keys.check_name(arguments.client): client})
            print(f"{arguments.client} may have: {', '.join(client.allow)}")
        case _:
            _revoke(folder, arguments.client)
    return 0


def _new_server(folder: Path, out: Path | None, *, force: bool) -> None:
    if out is not None:
        raise DaemonError(
            f"--out is for a client's key; the daemon's is {new_keys.SERVER} in a folder: --keys {out.parent}"
        )
    pair = new_keys.new_pair()
    public_file = new_keys.write_pair(pair, folder / new_keys.SERVER, force=force)
    print(f"{keys.PUBLIC} {pair.public.decode()}")
    print(f"Every client needs this public key: copy {public_file} to it.")


def _new_client(folder: Path, name: str, out: Path | None, *, force: bool) -> None:
    secret_file = out or folder / f"{name}.key"
    pair = new_keys.new_pair()
    public_file = new_keys.write_pair(pair, secret_file, force=force)
    print(f"{keys.PUBLIC} {pair.public.decode()}")
    print(f"The secret key is {secret_file}: it belongs on the client's machine, and nowhere else.")
    print(f"On the device that listens: inherentd keys authorize {name} {public_file}")
    print(f"or, without the file: inherentd keys authorize {name} '{pair.public.decode()}'")


def _show(folder: Path, *, as_json: bool) -> None:
    pair = keys.read_secret(folder / new_keys.SERVER)
    allowed = clients.read(folder)
    if as_json:
        rows = {name: {"public_key": one.public_key, "allow": one.allow} for name, one in sorted(allowed.items())}
        print(json.dumps({"folder": str(folder), "public_key": pair.public.decode(), "clients": rows}))
        return
    print(f"folder      {folder}")
    print(f"public key  {pair.public.decode()}")
    for name, one in sorted(allowed.items()):
        print(f"client      {name}: {', '.join(one.allow)}; {one.public_key}")
    if not allowed:
        print("clients     none; let one in with: inherentd keys authorize NAME PUBLIC_KEY")


def _revoke(folder: Path, name: str) -> None:
    allowed = clients.read(folder)
    if name not in allowed:
        raise DaemonError(f"client {name!r} is not authorized{config_layers.nearest(name, allowed) if allowed else ''}")
    clients.write(folder, {other: client for other, client in allowed.items() if other != name})
    print(f"{name} may no longer connect; a running daemon disconnects it within a second or two")


def _permissions(text: str) -> list[Permission]:
    wanted = {part.strip() for part in text.split(",")}
    if not wanted or not wanted <= {*PERMISSIONS}:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected some of {', '.join(PERMISSIONS)}, e.g. events,audio")
    return [permission for permission in PERMISSIONS if permission in wanted]
