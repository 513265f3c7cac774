"""What an OpenAI-compatible endpoint is sent, checked by the types of OpenAI's own package, and what its faults do."""

from __future__ import annotations

import base64
import dataclasses
import io
import subprocess
import sys
import wave
from collections.abc import Iterator
from typing import Any

import pytest

from tests.examples.chat_server import COMPLETION, Chat, chatting
from tests.examples.conftest import EXAMPLES, Hear

INTENTS = {"hasPhotoQuery": 0.91, "hasPersonContext": 0.4}


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with chatting() as chat:
        yield chat


def endpoint(chat: Chat, **changes: Any) -> Any:
    from llm_handoff import Endpoint

    return dataclasses.replace(Endpoint(chat.base_url, "a-model", "secret"), **changes)


def as_openai_takes_it(body: Any) -> Any:
    """Return the body as OpenAI's package reads it; fails where a required field is missing or has another type."""
    openai = pytest.importorskip("openai.types.chat.completion_create_params", reason="pip install openai")
    from pydantic import TypeAdapter

    adapter = TypeAdapter(openai.CompletionCreateParamsNonStreaming)
    read: Any = adapter.validate_python(body)
    messages = [dict(message) for message in read["messages"]]  # checked as they are read, while the adapter lives
    for message in messages:
        if not isinstance(message["content"], str):
            message["content"] = list(message["content"])
    return {**read, "messages": messages}


def test_text_is_sent_as_openai_takes_it(chat: Chat) -> None:
    assert endpoint(chat).answer("Pictures of Nora, please.", INTENTS) == "Here they are."
    ((path, headers, body),) = chat.requests
    assert path == "/v1/chat/completions"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer secret"
    read = as_openai_takes_it(body)
    assert read["model"] == "a-model"
    assert [message["role"] for message in read["messages"]] == ["system", "user"]
    words = read["messages"][1]["content"]
    assert (
        words == "Kind of request: hasPhotoQuery (0.91), hasPersonContext (0.40)\nTranscript: Pictures of Nora, please."
    )


def test_the_sound_is_sent_as_input_audio(chat: Chat) -> None:
    endpoint(chat, key="").answer("Yes.", {}, b"RIFF a file")
    ((_, headers, body),) = chat.requests
    assert "Authorization" not in headers
    words, sound = as_openai_takes_it(body)["messages"][1]["content"]
    assert words == {"type": "text", "text": "Kind of request: none of the known kinds\nTranscript: Yes."}
    assert sound["input_audio"]["format"] == "wav"
    assert base64.b64decode(sound["input_audio"]["data"]) == b"RIFF a file"
    assert body["messages"][1]["content"][1] == sound  # nothing that OpenAI's types do not know


def test_the_answer_is_one_that_openai_gives() -> None:
    types = pytest.importorskip("openai.types.chat", reason="pip install openai")
    assert types.ChatCompletion.model_validate(COMPLETION, strict=True).choices[0].message.content == "Here they are."


def test_an_endpoint_that_is_busy_is_asked_again(chat: Chat) -> None:
    chat.faults = [503, 429]
    assert endpoint(chat).answer("Hello", {}) == "Here they are."
    chat.faults = [0.0, -1]  # hung up, not HTTP
    assert endpoint(chat).answer("Hello", {}) == "Here they are."
    assert len(chat.requests) == 6


def test_it_is_not_asked_for_ever(chat: Chat) -> None:
    from llm_handoff import EndpointError

    chat.faults = [500] * 9
    with pytest.raises(EndpointError, match="/v1/chat/completions: 500"):
        endpoint(chat, attempts=2).answer("Hello", {})
    assert len(chat.requests) == 2


def test_a_request_that_is_refused_is_not_repeated(chat: Chat) -> None:
    from llm_handoff import EndpointError

    chat.faults = [404]
    with pytest.raises(EndpointError, match="404 Not Found: .*no such model"):
        endpoint(chat).answer("Hello", {})
    assert len(chat.requests) == 1


def test_one_that_does_not_answer_is_given_up(chat: Chat) -> None:
    from llm_handoff import EndpointError

    chat.faults = [30.0, 30.0]
    with pytest.raises(EndpointError, match="timed out"):
        endpoint(chat, timeout_seconds=0.3, attempts=2).answer("Hello", {})
    assert len(chat.requests) == 2


def test_nobody_there_and_nonsense_are_one_line(chat: Chat) -> None:
    from llm_handoff import EndpointError

    with pytest.raises(EndpointError, match="refused"):
        endpoint(chat, base_url="http://127.0.0.1:1/v1", attempts=1).answer("Hello", {})
    for nonsense in ([], {"choices": []}, {"choices": [{"message": None}]}):
        chat.answer = nonsense
        with pytest.raises(EndpointError, match="expected a chat completion") as failure:
            endpoint(chat).answer("Hello", {})
        assert "\n" not in str(failure.value)


def test_the_key_does_not_follow_a_redirection(chat: Chat) -> None:
    from llm_handoff import EndpointError

    chat.faults = [302]
    with pytest.raises(EndpointError, match="404"):
        endpoint(chat).answer("Hello", {})
    (_, first, _), (path, second, _) = chat.requests
    assert path == "/elsewhere"
    assert "Authorization" in first and "Authorization" not in second


def test_an_utterance_is_handed_over_with_its_sound(hear: Hear, chat: Chat) -> None:
    chat.faults = [401]  # the first answer is lost, the program goes on
    done = hear("llm_handoff.py", "--base-url", chat.base_url, "--model", "a-model", "--audio", clips=("02-", "13-"))
    assert done.returncode == 0
    assert "401" in done.stderr
    assert done.stdout.splitlines()[-2:] == ["> Set a second timer a quarter of an hour.", "Here they are."]
    words, sound = as_openai_takes_it(chat.requests[-1][2])["messages"][1]["content"]
    assert words["text"].startswith("Kind of request: hasStartTimerIntent (")
    with wave.open(io.BytesIO(base64.b64decode(sound["input_audio"]["data"]))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.getnframes() > 32_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "--model NAME"), (["--model", "m", "--base-url", "file:///etc/passwd"], "expected http")],
)
def test_used_wrongly(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "llm_handoff.py"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
