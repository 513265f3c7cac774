"""The state on a terminal, again and again; or as lines, where there is none."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from inherentd.client.errors import printable
from inherentd.daemon.watch import view, words
from inherentd.daemon.watch.connection import Connection
from inherentd.daemon.watch.keyboard import Keyboard

DRAW_SECONDS = 0.125
LINE_SECONDS = 1.0
KEYS = "q quit  m mute"

Show = Callable[[Connection, Callable[[], bool]], None]
"""shows a connection until the second says that it is over"""


def can_draw() -> bool:
    """Return whether stdout is a terminal on which one can draw."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def draw(connection: Connection, over: Callable[[], bool], *, no_color: bool) -> None:
    """Draw until it is over or q is pressed, then give the terminal back; the last picture of what ended stays."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=no_color or None, highlight=False)  # None: as NO_COLOR says
    symbols = view.Symbols() if console.encoding.startswith("utf") else view.ASCII

    def picture(keys: str, height: int) -> Group:
        screen = view.lines(connection.state, console.width, height, keys=keys, symbols=symbols)
        return Group(*(Text.assemble(*map(shown, line), no_wrap=True, overflow="crop") for line in screen))

    def shown(piece: tuple[str, str]) -> tuple[str, str]:  # a device may have any name
        return printable(piece[0]).encode(console.encoding, "replace").decode(console.encoding), piece[1]

    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        keys, drawn = KEYS if keyboard.there else "Ctrl-C quits", None
        while not over():
            pressed = keyboard.pressed()
            if "q" in pressed:
                return
            if "m" in pressed:
                connection.toggle_mute()
            if drawn != (now := (connection.state, console.size)):
                live.update(picture(keys, console.height), refresh=True)
                drawn = now
            connection.listen(DRAW_SECONDS)
    if connection.state.ended:
        console.print(picture("", console.height - 1))  # one for the prompt


def print_lines(connection: Connection, over: Callable[[], bool]) -> None:
    """Print each event, and how it is every second, until it is over."""
    noted, due = 0, time.monotonic() + LINE_SECONDS
    while not over():
        connection.listen(DRAW_SECONDS)
        state = connection.state
        fresh = state.noted - noted
        for header in state.events[-fresh:] if fresh else ():
            print(printable(words.event(header)), flush=True)
        noted = state.noted
        if time.monotonic() >= due:
            due = time.monotonic() + LINE_SECONDS
            print(printable("; ".join([words.now(state), *words.notes(state)])), flush=True)
