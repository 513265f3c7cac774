"""List the microphones: number, name, sound system, channels, rate. Give one to the daemon with --input mic:NAME.

On PulseAudio and PipeWire only "default" and "pulse" may be listed, whatever microphones there are: choose the source
there (pactl set-default-source NAME), or for one program with the environment variable PULSE_SOURCE=NAME.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from inherentd.daemon.commands.arguments import count
from inherentd.daemon.sources import portaudio
from inherentd.daemon.sources.opening import opens


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inherentd devices`."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--open", metavar="NAME", help="only try whether this one can be opened; exit code 1 if not")
    parser.add_argument("--channel", type=count, metavar="N", help="with --open: this channel of it, from 1")


def run(arguments: argparse.Namespace) -> int:
    """Print the devices; none at all is a failure."""
    if arguments.open is not None:
        print(opens(arguments.open, arguments.channel))
        return 0
    devices = portaudio.input_devices()
    for device in devices:
        if arguments.json:
            print(json.dumps(dataclasses.asdict(device)))
        else:
            mark = "*" if device.default else " "
            what = f"{device.host_api}, {device.channels} ch, {device.rate_hz:g} Hz"
            print(f"{mark} {device.index:>3}  {device.name}  ({what})")
    if not devices:
        print(
            "inherentd devices: no device can record; connect one or start the sound server (PulseAudio, PipeWire)",
            file=sys.stderr,
        )
        return 1
    return 0
