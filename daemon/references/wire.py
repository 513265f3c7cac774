"""`docs/wire.md`, from `client/messages.py`, `client/requests.py` and `client/results.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import get_args

import msgspec

from inherentd.client.messages import HEADERS, AudioHeader, Header, HealthHeader
from inherentd.client.requests import AnyRequest, AudioGet, Reply, Request
from inherentd.client.results import RESULTS, StatusResult
from inherentd.daemon.references.fields import Field, example, fields_of, text_of
from inherentd.daemon.references.tables import NONE, WRITTEN, table

HEAD = f"""\
# The wire

{WRITTEN.format("client/messages.py, client/requests.py and client/results.py")}

Two ZeroMQ sockets. On one the daemon publishes what it hears (PUB, `publish.endpoint`, `tcp://127.0.0.1:5710`); on the other it takes requests
(ROUTER, `control.endpoint`, a file in the runtime folder). [inherentd.client](client.md) speaks both from Python; any other language needs
ZeroMQ and JSON. The JSON Schemas of everything here are in `contracts/`. Who may connect: [security](security.md).

## Events

A message is multipart: the topic, a header as JSON, and for `audio` the samples. Subscribe to a topic or to a prefix (`gate`). Within `v` 1 fields may be
added: ignore what you do not know. The order within an utterance: `gate.opened`, then `audio` from the pre-roll on, `intent` with `final` false when
a head is sure enough, `intent` with `final` true for each head that fired, the last `audio`, `gate.closed`. Every header has

"""
REQUESTS = """\
## Requests

A request is one frame of JSON on a DEALER or REQ socket, and so is the reply, with the same `id`; after the reply to `audio` comes a second frame
with the samples. `inherentd control` sends them from a shell. A request that cannot be read or done is answered with `ok` false and one line in `error`:

"""
ERROR = "thresholds: this model has no head with the key 'is_intresting'; did you mean 'is_interesting'?"
COLUMNS = ("field", "type", "unit", "meaning")


def wire_page() -> str:
    """Return `docs/wire.md`."""
    common = fields_of(Header)
    parts = [HEAD, _table(common)]
    for topic, header in HEADERS.items():
        own = fields_of(header)[len(common) :]
        parts.append(f"\n### {topic}\n\n{_sentence(text_of(header))}\n\n{_table(own)}\n{_message(topic, header)}")
    reply = fields_of(Reply)
    refused = Reply(id=7, ok=False, error=ERROR)
    parts.append(f"\n{REQUESTS}{_block('json', [_json(refused)])}\nEvery reply has\n\n{_table(reply)}")
    own_of_all = len(fields_of(Request))
    for request in get_args(AnyRequest):
        name = str(request.__struct_config__.tag)
        fields, result = fields_of(request)[own_of_all:], RESULTS[request]
        parts.append(f"\n### {name}\n\n{_sentence(text_of(request))}\n\n")
        if fields:
            parts.append(f"{_table(fields, defaults=True)}\n")
        parts.append(f"`result`: {_sentence(text_of(result))}\n\n{_table(fields_of(result))}\n")
        parts.append(_block("json", [_json(example(request)), _json(_reply(result))]))
        if request is AudioGet:
            parts.append("\nThe second frame has the samples.\n")
    return "".join(parts)


def _message(topic: str, header: type[Header]) -> str:
    """Return an example of the message, a line a frame."""
    one = example(header)
    samples = [f"({2 * one.samples} bytes of samples)"] if isinstance(one, AudioHeader) else []
    return _block("text", [topic, _json(one), *samples])


def _reply(result: type[msgspec.Struct]) -> Reply:
    fields = msgspec.to_builtins(example(result))
    if result is StatusResult:  # these are `health`'s, told as they are there
        health, common = msgspec.to_builtins(example(HealthHeader)), Header.__struct_fields__
        fields = {name: value for name, value in health.items() if name not in common} | fields
    return Reply(id=7, ok=True, result=fields)


def _json(message: msgspec.Struct) -> str:
    """Return a message as the wire has it."""
    return json.dumps(json.loads(msgspec.json.encode(message)))


def _block(language: str, lines: Iterable[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```\n"])


def _table(fields: Iterable[Field], *, defaults: bool = False) -> str:
    return table(
        COLUMNS, [(f"`{field.name}`", _kind(field), field.unit or NONE, _meaning(field, defaults)) for field in fields]
    )


def _kind(field: Field) -> str:
    return f"{field.type}, {field.range}" if field.range else field.type


def _meaning(field: Field, defaults: bool) -> str:  # noqa: FBT001
    """Return the text, of requests with what holds where the field is left out."""
    return f"{field.text} (default: `{json.dumps(field.default)}`)" if defaults and not field.required else field.text


def _sentence(text: str) -> str:
    """Return a docstring without the word that names its kind."""
    head, _, rest = text.partition(": ")
    text = rest if head.startswith("Topic `") else text
    return text[:1].upper() + text[1:]
