"""Hand each utterance to a language model: what kind of request it is, the transcript, and with --audio the sound.

    OPENAI_API_KEY=… python examples/llm_handoff.py --base-url https://api.openai.com/v1 --model gpt-4o-audio-preview --audio
    python examples/llm_handoff.py --base-url http://127.0.0.1:8080/v1 --model qwen3          # llama.cpp, vLLM, Ollama …

Any endpoint with OpenAI's chat completions will do. Only what was meant for the assistant leaves the machine. An endpoint
that fails costs an answer, not the program.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from receiving import received
from speech_to_text import Whisper, bundled_model

from inherentd.client import ClientError, Collector

INSTRUCTIONS = (
    "You are a voice assistant. A gate and an intent classifier have heard the user before you; both can be wrong, and so can "
    "the transcript. Answer in one or two sentences that can be spoken."
)
LARGEST_ANSWER_BYTES = 1_000_000


class EndpointError(Exception):
    """The endpoint gave no answer; one line says why."""


@dataclass(frozen=True)
class Endpoint:
    """Where a language model answers. `base_url` ends before `/chat/completions`."""

    base_url: str
    model: str
    key: str = ""
    timeout_seconds: float = 30.0
    attempts: int = 3

    def answer(self, text: str, intents: Mapping[str, float], wav: bytes | None = None) -> str:
        """Return what the model says. Tries again when the endpoint is busy or away; raises EndpointError then."""
        request = urllib.request.Request(  # noqa: S310 (the user's own address)
            f"{self.base_url.rstrip('/')}/chat/completions",
            json.dumps(self.body(text, intents, wav)).encode(),
            {"Content-Type": "application/json"},
        )
        if self.key:
            request.add_unredirected_header("Authorization", f"Bearer {self.key}")  # for this address only
        problem = "never asked"
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(0.5 * 2 ** (attempt - 1))
            try:
                with urllib.request.urlopen(request, timeout=self.timeout_seconds) as response:  # noqa: S310
                    return json.loads(response.read(LARGEST_ANSWER_BYTES))["choices"][0]["message"]["content"] or ""
            except urllib.error.HTTPError as error:
                with contextlib.suppress(OSError, HTTPException):
                    problem = f"{error.code} {error.reason}"
                    problem += f": {error.read(300).decode(errors='replace')}"
                if error.code != 429 and error.code < 500:
                    break
            except (OSError, HTTPException) as error:  # no such host, refused, timed out, cut off
                problem = str(error) or repr(error)
            except (ValueError, LookupError, TypeError) as error:
                problem = f"{error!r}; expected a chat completion as JSON"
                break
        raise EndpointError(" ".join(f"{request.full_url}: {problem}".split()))

    def body(self, text: str, intents: Mapping[str, float], wav: bytes | None) -> dict[str, Any]:
        """Return the request of the chat completions API; the sound as `input_audio`."""
        kinds = ", ".join(f"{head} ({score:.2f})" for head, score in intents.items()) or "none of the known kinds"
        words = f"Kind of request: {kinds}\nTranscript: {text}"
        content: str | list[dict[str, Any]] = words
        if wav is not None:
            sound = {"data": base64.b64encode(wav).decode(), "format": "wav"}
            content = [{"type": "text", "text": words}, {"type": "input_audio", "input_audio": sound}]
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": content}],
        }


def add_endpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says where the language model is."""
    address = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1")
    parser.add_argument("--base-url", type=http_url, default=address, help="default: %(default)s")
    parser.add_argument("--model", help="as the endpoint calls it")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for one attempt")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--audio", action="store_true", help="send the sound too")
    how.add_argument("--text", dest="audio", action="store_false", help="send text only (the default)")


def http_url(text: str) -> str:
    """Return the text if it begins like an address."""
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected http://… or https://…, up to /v1")
    return text


def endpoint_of(arguments: argparse.Namespace) -> Endpoint | None:
    """Return the endpoint, with the key of the environment's OPENAI_API_KEY; None without --model."""
    if not arguments.model:
        return None
    return Endpoint(arguments.base_url, arguments.model, os.environ.get("OPENAI_API_KEY", ""), arguments.timeout)


def main() -> None:
    """Subscribe, transcribe, ask, print the answer; until Ctrl-C or until the daemon stops."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", default="tcp://127.0.0.1:5710", help="of inherentd")
    parser.add_argument("--whisper", help="folder or name of another model for the transcript")
    add_endpoint_arguments(parser)
    arguments = parser.parse_args()
    llm = endpoint_of(arguments)
    if llm is None:
        parser.error("--model NAME is needed: as the endpoint calls it")
    whisper, collector = Whisper(arguments.whisper or bundled_model()), Collector()
    for message in received(arguments.endpoint, "gate", "intent", "audio", "health"):
        if message.topic == "gate.opened":
            whisper.load()
        for utterance in collector.push(message):
            text = whisper.text(utterance.pcm)
            print(f"> {text}", flush=True)
            try:
                print(llm.answer(text, utterance.intents, utterance.wav() if arguments.audio else None), flush=True)
            except EndpointError as error:
                print(error, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except ClientError as error:
        sys.exit(str(error))
