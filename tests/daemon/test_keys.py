"""`inherentd keys`, and what it says about files that are no keys."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import zmq

from inherentd.client import ClientError, keys
from inherentd.daemon.cli import main
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.security import clients, new_keys

Output = pytest.CaptureFixture[str]


def run(capsys: Output, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["keys", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default folder of the keys, not there yet."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "configuration"))
    return tmp_path / "configuration" / "keys"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_from_a_new_server_to_a_revoked_client(capsys: Output, folder: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert run(capsys, "new")[0] == 0
        assert run(capsys, "new", "laptop", "--out", str(tmp_path / "laptop.key"))[0] == 0
        assert run(capsys, "authorize", "laptop", str(tmp_path / "laptop.pub"), "--allow", "audio,events")[0] == 0
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert [mode(folder / name) for name in ("server.key", clients.FILE)] == [0o600, 0o600]
    assert mode(tmp_path / "laptop.key") == 0o600
    server, laptop = keys.read_secret(folder / "server.key"), keys.read_secret(tmp_path / "laptop.key")
    assert keys.public_key(str(folder / "server.pub")) == server.public
    assert zmq.curve_public(laptop.secret) == laptop.public
    code, out, _ = run(capsys, "show", "--json")
    assert code == 0
    client = {"public_key": laptop.public.decode(), "allow": ["events", "audio"]}
    expected = {"folder": str(folder), "public_key": server.public.decode(), "clients": {"laptop": client}}
    assert json.loads(out) == expected
    assert "laptop: events, audio" in run(capsys, "show")[1]
    assert run(capsys, "revoke", "laptop")[0] == 0
    assert "none" in run(capsys, "show")[1]
    assert run(capsys, "revoke", "laptop")[::2] == (1, "inherentd keys: client 'laptop' is not authorized\n")


def test_a_key_is_replaced_only_when_asked(capsys: Output, folder: Path) -> None:
    for name in ([], ["laptop"]):
        run(capsys, "new", *name)
        code, _, err = run(capsys, "new", *name)
        assert (code, err.count("--force")) == (1, 1)
        assert run(capsys, "new", *name, "--force")[0] == 0


def test_the_folder_is_the_configured_one(capsys: Output, folder: Path, tmp_path: Path) -> None:
    assert run(capsys, "new", "--set", f"security.keys={tmp_path / 'a'}")[0] == 0
    assert run(capsys, "new", "--keys", str(tmp_path / "b"))[0] == 0
    assert (tmp_path / "a" / "server.key").exists()
    assert (tmp_path / "b" / "server.key").exists()
    assert not folder.exists()


def test_a_public_key_as_itself(capsys: Output, folder: Path) -> None:
    pair = new_keys.new_pair()
    assert run(capsys, "authorize", "phone", pair.public.decode())[0] == 0
    assert clients.read(folder)["phone"].allow == ["events"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show"], "`inherentd keys new` makes one"),
        (["authorize", "a", "short"], "is no key"),
        (["authorize", "a", "~" * 40], "is no key"),
        (["authorize", "a", "#" * 40], "is no key"),  # each a character of Z85, together too large a number
        (["authorize", "a", "\0" * 40], "is no key"),
        (["authorize", "../a", "short"], "is no key"),
        (["authorize", "../a", "0" * 40], "expected letters"),
        (["new", "server"], "not 'server'"),
        (["new", "a", "--out", "a.pub"], "a.key"),
        (["new", "--out", "x/server.key"], "--keys x"),
        (["new", "--keys", "/dev/null/x"], "cannot be written"),
    ],
)
def test_one_line_says_what_is_wrong(capsys: Output, folder: Path, arguments: list[str], expected: str) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 1
    assert expected in err
    assert len(err.splitlines()) == 1


def test_a_permission_that_there_is_not(capsys: Output, folder: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(capsys, "authorize", "a", "0" * 40, "--allow", "events,video")
    assert "expected some of events, audio, control" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"inherentd secret key:", b"x" * 41, b"inherentd public key: a"])
def test_garbage_in_a_secret_key(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "server.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ClientError, match=str(file)):
        keys.read_secret(file)


@pytest.mark.parametrize(
    "content",
    [
        "- a",
        "a: [",
        "a: {public_key: short, allow: [events]}",
        "a: {public_key: '" + "0" * 40 + "', allow: [video]}",
        "a: {public_key: '" + "0" * 40 + "', alow: [events]}",
        "\x00",
    ],
)
def test_garbage_in_the_list_of_clients(tmp_path: Path, content: str) -> None:
    (tmp_path / clients.FILE).write_text(content)
    with pytest.raises(DaemonError, match=clients.FILE) as caught:
        clients.read(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    new_keys.write_pair(new_keys.new_pair(), tmp_path / "server.key", force=False)
    (tmp_path / "server.key").chmod(0o640)
    with pytest.raises(ClientError, match="chmod 600"):
        keys.read_secret(tmp_path / "server.key")


def test_a_list_that_others_can_write_is_refused(tmp_path: Path) -> None:
    clients.write(tmp_path, {})
    (tmp_path / clients.FILE).chmod(0o666)
    with pytest.raises(DaemonError, match="chmod 600"):
        clients.read(tmp_path)


def test_the_two_halves_are_not_taken_for_each_other(tmp_path: Path) -> None:
    public_file = new_keys.write_pair(new_keys.new_pair(), tmp_path / "server.key", force=False)
    public_file.chmod(0o600)
    with pytest.raises(ClientError, match="this is a public key"):
        keys.read_secret(public_file)
    with pytest.raises(ClientError, match="this is a secret key"):
        keys.public_key(str(tmp_path / "server.key"))


def test_listen_wants_both_keys(capsys: Output) -> None:
    assert main(["listen", "--key", "a.key"]) == 1
    assert "go together" in capsys.readouterr().err
