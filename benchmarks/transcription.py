"""Does speech-to-text behind the gate lose words, and what does it save? `examples/transcribe.py` behind a real daemon.

    python -m benchmarks.transcription --quick
    python -m benchmarks.transcription --manifest MANIFEST… --unaddressed MANIFEST|FOLDER [--source NAME] [--out transcription.json]

40 requests stand in 30 minutes of talk that is meant for nobody; the daemon hears it from a file as fast as it goes. Words right are
those of the written text that an alignment finds (longest common subsequence); "alone" is Whisper given the clip itself. Of requests
that the gate missed nothing is transcribed: figures over opened requests tell what the audio on the wire is worth, those over all
what the gate leaves of it. CPU seconds are the processes' own; "everything" is the same Whisper over the whole recording, in full
windows of 30 s; the last is over what Silero's VAD calls speech, piece by piece, as an assistant without a gate does it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from benchmarks.rig.daemon import PROGRAM, THREADS
from benchmarks.rig.kept_words import compared, overlapping
from benchmarks.rig.scene import RATE_HZ, Request, requests_of, scene, synthesised_talk, talk_of
from examples.speech_to_text import Whisper, bundled_model

EXAMPLE = Path(__file__).parent.parent / "examples" / "transcribe.py"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--manifest", nargs="+", type=Path, default=[], help="requests: addressed lines of the split test"
    )
    parser.add_argument(
        "--unaddressed", type=Path, help="talk: a folder, or unaddressed lines of a manifest's split test"
    )
    parser.add_argument("--source", default="", help="of the talk's manifest: only this source")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the daemon's")
    parser.add_argument("--words-only", action="store_true", help="do not measure what transcribing everything costs")
    parser.add_argument("--quick", action="store_true", help="4 requests in a minute of talk")
    parser.add_argument("--out", type=Path, help="everything as JSON, each request too")
    arguments = parser.parse_args()
    clips, minutes = (4, 1.0) if arguments.quick else (arguments.clips, arguments.minutes)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with tempfile.TemporaryDirectory(prefix="inherentd") as folder:
        talk = (
            talk_of(arguments.unaddressed, arguments.source)
            if arguments.unaddressed
            else synthesised_talk(Path(folder))
        )
        if not talk:
            parser.error(f"{arguments.unaddressed}: no unaddressed clip there")
        pcm, requests = scene(requests_of(arguments.manifest, clips), talk, minutes, arguments.seed)
        result = measure(Path(folder), pcm, requests, arguments.set, words_only=arguments.words_only)
    result["conditions"] |= {
        "talk_minutes": minutes, "talk_clips": len(talk), "seed": arguments.seed,
        "talk": arguments.source or (arguments.unaddressed.stem if arguments.unaddressed else "flite"), "settings": arguments.set,
    }  # fmt: skip
    print(table(result))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    return int(result["incomplete_utterances"] > 0 or result["opened"] == 0)


def measure(
    folder: Path, pcm: np.ndarray, requests: Sequence[Request], settings: Sequence[str], *, words_only: bool
) -> dict[str, Any]:
    """Return what came of a recording, and what it cost."""
    utterances, summary, cpu = through_the_daemon(folder, pcm, settings)
    whisper = Whisper(bundled_model())
    whisper.load()
    rows = [compared(request, utterances, whisper.text(request.pcm.tobytes())) for request in requests]
    opened = [row for row in rows if row["opened"]]
    everything = {"cpu_seconds": {}, "speech_pieces": 0} if words_only else cost_of_everything(whisper, pcm)

    def total(name: str, of: Sequence[dict[str, Any]]) -> int:
        return sum(row[name] for row in of)

    of_requests = {id(u) for request in requests for u in overlapping(request, utterances)}
    return {
        "conditions": {"recording_seconds": len(pcm) / RATE_HZ, "requests": len(rows), "machine": machine(),
                       "whisper": "tiny.en, int8, greedy, one thread"},
        "opened": len(opened),
        "sound_from_the_first_word": total("from_first_word", opened),
        "late_seconds": [float(np.percentile([row["late_seconds"] for row in opened], share)) for share in (50, 90, 100)] if opened else [],
        "sound_to_the_last_word": total("to_last_word", opened),
        "first_word_right": {"alone": total("first_alone", opened), "gated": total("first_gated", opened)},
        "words": {"opened": total("words", opened), "all": total("words", rows)},
        "words_right": {"alone_opened": total("right_alone", opened), "gated_opened": total("right_gated", opened),
                        "alone_all": total("right_alone", rows), "gated_all": total("right_gated", rows)},
        "words_of_others": total("others", opened),
        "utterances": len(utterances),
        "utterances_without_request": sum(id(u) not in of_requests for u in utterances),
        "incomplete_utterances": sum(not u["complete"] for u in utterances),
        "transcribed_seconds": summary["transcribed_seconds"],
        "cpu_seconds": {**cpu, "whisper_on_utterances": summary["cpu_seconds"], "whisper_loading": summary["loading_cpu_seconds"], **everything["cpu_seconds"]},
        "estimated_cpu_seconds": summary["estimated_cpu_seconds"],
        "speech_pieces": everything["speech_pieces"],
        "rows": rows,
    }  # fmt: skip


def through_the_daemon(
    folder: Path, pcm: np.ndarray, given: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, float]]:
    """Return the example's lines, its last one, and the CPU seconds of both processes."""
    recording, endpoint = folder / "scene.wav", f"ipc://{folder}/events.sock"
    soundfile.write(recording, pcm, RATE_HZ, "PCM_16")
    given = [f"publish.endpoint={endpoint}", "control.endpoint=null", *given]
    settings = [part for setting in given for part in ("--set", setting)]
    with (folder / "log").open("wb") as log, (folder / "lines").open("wb") as lines:
        daemon = subprocess.Popen(
            [*PROGRAM, "run", "--input", str(recording), "--speed", "max", "--wait-for-subscriber", "60", *settings],
            stderr=log,
        )
        example = subprocess.Popen([sys.executable, str(EXAMPLE), "--json", "--endpoint", endpoint], stdout=lines)
        seconds: dict[str, float] = {}
        for name, process in (("daemon", daemon), ("example", example)):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds[name] = usage.ru_utime + usage.ru_stime
            if process.returncode:
                example.kill()
                raise SystemExit(f"the {name} failed ({process.returncode}):\n{(folder / 'log').read_text()[-2000:]}")
    *utterances, summary = [json.loads(line) for line in (folder / "lines").read_text().splitlines()]
    return utterances, summary, seconds


def cost_of_everything(whisper: Whisper, pcm: np.ndarray) -> dict[str, Any]:
    """Return the CPU seconds of transcribing the recording in full windows, and what Silero's VAD calls speech piece by
    piece, cut at pauses of 0.7 s: the gate's hangover."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    before = whisper.cpu_seconds
    whisper.text(pcm.tobytes())
    between, began = whisper.cpu_seconds, time.process_time()
    speech = get_speech_timestamps(pcm.astype(np.float32) / 32768, VadOptions(min_silence_duration_ms=700))
    for piece in speech:
        whisper.text(pcm[piece["start"] : piece["end"]].tobytes())
    seconds = {"whisper_on_everything": between - before, "vad_and_whisper_on_speech": time.process_time() - began}
    return {"cpu_seconds": seconds, "speech_pieces": len(speech)}


def machine() -> str:
    """Return what it runs on, and how busy that is."""
    return f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def table(result: dict[str, Any]) -> str:
    """Return the figures for people, their conditions beside them."""
    given, cpu, right, total = result["conditions"], result["cpu_seconds"], result["words_right"], result["words"]
    opened, estimate = result["opened"], result["estimated_cpu_seconds"]

    def seconds(name: str) -> str:
        return f"{cpu[name]:.1f}" if name in cpu else "not measured"

    def share(count: int, of: int) -> str:
        return f"{count} of {of} ({count / max(of, 1):.1%})"

    rows = {
        f"{given['requests']} requests in {given['talk_minutes']:g} minutes of talk to nobody ({given['talk']})": " ".join(
            given["settings"]
        ),
        "requests for which the gate opened": share(opened, given["requests"]),
        "of these: the sound begins before the first word": share(result["sound_from_the_first_word"], opened),
        "from the first word to the opening: median, nine of ten, all": ", ".join(
            f"{late:.2f} s" for late in result["late_seconds"]
        ),
        "of these: the sound lasts to the end of the last word": share(result["sound_to_the_last_word"], opened),
        "of these: first word right, clip alone": share(result["first_word_right"]["alone"], opened),
        "of these: first word right, behind the gate": share(result["first_word_right"]["gated"], opened),
        "of these: words right, clip alone": share(right["alone_opened"], total["opened"]),
        "of these: words right, behind the gate": share(right["gated_opened"], total["opened"]),
        "all requests: words right, clip alone": share(right["alone_all"], total["all"]),
        "all requests: words right, behind the gate": share(right["gated_all"], total["all"]),
        "words of others in the same utterances": str(result["words_of_others"]),
        "utterances, of these without any request": f"{result['utterances']}, {result['utterances_without_request']}",
        "transcribed": f"{result['transcribed_seconds']:.0f} of {given['recording_seconds']:.0f} s",
        "CPU seconds of Whisper on utterances": f"{cpu['whisper_on_utterances']:.1f}, and {cpu['whisper_loading']:.1f} to load",
        "CPU seconds of the daemon": f"{cpu['daemon']:.1f}",
        "CPU seconds of the example, all": f"{cpu['example']:.1f}",
        "CPU seconds of Whisper on everything, in full windows": seconds("whisper_on_everything"),
        f"CPU seconds of a VAD and Whisper on the {result['speech_pieces']} pieces it finds": seconds(
            "vad_and_whisper_on_speech"
        ),
        "the example's own estimate for everything": f"{estimate['full_windows']:.1f} to {estimate['pieces_like_these']:.1f}",
        "machine": given["machine"],
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])


if __name__ == "__main__":
    sys.exit(main())
