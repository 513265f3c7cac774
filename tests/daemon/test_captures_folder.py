"""The folder of captures: within its bounds, private, labelled, and what happens when the disk does not want to."""

from __future__ import annotations

import errno
import json
import resource
import shutil
import stat
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from inherentd.daemon.captures.bounds import Held, Limits, to_remove
from inherentd.daemon.captures.capture import Label
from inherentd.daemon.captures.ring import CaptureRing
from inherentd.daemon.captures.store import Store, Utterance
from inherentd.daemon.captures.writer import QUEUE_CAPTURES, Writer
from inherentd.daemon.cli import main
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.private_files import write_private
from tests.daemon.captured import ADDRESSED, HOUR_NS, NOON_NS, SECOND, STREAM, a_capture, kept, ring_in
from tests.tiny_model import HEADS


def test_on_disk(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    output = kept(model)
    ring = ring_in(folder)
    writer = Writer(ring)
    for capture, pcm in output.captures:
        writer.put(capture, pcm)
    writer.close()
    assert (writer.written, writer.dropped, writer.failed) == (3, 0, 0)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(list(folder.iterdir())) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    captures, problems = Store(folder).read()
    assert (captures, problems) == ([capture for capture, _ in output.captures], [])
    for capture, pcm in output.captures:
        with wave.open(str(Store(folder).recording(capture.id))) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert file.readframes(10**9) == pcm.astype("<i2").tobytes()


def utterances(ring: CaptureRing) -> list[int | None]:
    return [capture.utterance for capture in ring.store.read()[0]]


def test_the_folder_never_outgrows_its_megabytes(tmp_path: Path) -> None:
    ring = ring_in(tmp_path, megabytes=0.1)
    for number in range(1, 9):
        ring.keep(a_capture(number, NOON_NS + number * 10**9), SECOND)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 100_000
    assert utterances(ring) == [7, 8] or utterances(ring) == [6, 7, 8]


def test_labelled_ones_go_last(tmp_path: Path) -> None:
    ring = ring_in(tmp_path, megabytes=0.1)
    ring.keep(a_capture(1, label=ADDRESSED), SECOND)
    for number in range(2, 6):
        ring.keep(a_capture(number, NOON_NS + number * 10**9), SECOND)
    assert utterances(ring)[0] == 1
    assert utterances(ring)[-1] == 5
    for number in range(6, 10):
        ring.keep(a_capture(number, NOON_NS + number * 10**9, ADDRESSED), SECOND)
    assert utterances(ring)[0] > 1
    assert utterances(ring)[-1] == 9


def test_what_is_too_old_goes_unless_it_is_labelled(tmp_path: Path) -> None:
    ring = ring_in(tmp_path)
    for number, label in ((1, None), (2, ADDRESSED), (3, None)):
        ring.keep(a_capture(number, NOON_NS + number * HOUR_NS, label), SECOND)
    ring_in(tmp_path, hours=24, now_ns=NOON_NS + 26 * HOUR_NS).tidy()
    assert utterances(ring) == [2, 3]
    ring_in(tmp_path, hours=24, now_ns=NOON_NS + 1_000 * HOUR_NS).tidy()
    assert utterances(ring) == [2]


def test_one_that_is_larger_than_all_room_is_not_written(tmp_path: Path) -> None:
    ring = ring_in(tmp_path, megabytes=0.04)
    ring.keep(a_capture(1), SECOND)
    with pytest.raises(OSError, match=r"captures.megabytes 0.04"):
        ring.keep(a_capture(2), np.zeros(32_000, np.int16))
    assert utterances(ring) == [1]


def test_only_our_own_files_are_counted_and_removed(tmp_path: Path) -> None:
    others = ("family.wav", "notes.json", "20269999-999999-5f0c9a1b-u1.wav", ".hidden")
    for name in others:
        (tmp_path / name).write_bytes(bytes(200_000))
    ring = ring_in(tmp_path, megabytes=0.1)
    ring.keep(a_capture(1), SECOND)
    ring_in(tmp_path, now_ns=NOON_NS + 1_000 * HOUR_NS).tidy()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_what_a_power_cut_left_is_removed_in_time(tmp_path: Path) -> None:
    ring = ring_in(tmp_path)
    whole = a_capture(1)
    ring.keep(whole, SECOND)
    ring.store.recording(a_capture(2).id).write_bytes(b"RIFF")
    (tmp_path / f".{a_capture(3).id}.wav.abcd12.part").write_bytes(b"RI")
    assert utterances(ring) == [1]
    assert ring.store.read()[1] == []
    ring_in(tmp_path, now_ns=NOON_NS + 25 * HOUR_NS).tidy()
    assert list(tmp_path.iterdir()) == []


HELD = st.lists(
    st.builds(
        Held,
        id=st.uuids().map(str),
        time_ns=st.integers(0, 100).map(lambda hours: hours * HOUR_NS),
        size_bytes=st.integers(0, 60_000),
        paths=st.just(()),
    ),
    max_size=20,
    unique_by=lambda held: held.id,
)


@given(HELD, st.sets(st.integers(0, 19)), st.integers(0, 100_000))
def test_bounds(held: list[Held], labelled_places: set[int], needed_bytes: int) -> None:
    labelled = {held[place].id for place in labelled_places if place < len(held)}
    limits = Limits(hours=24, megabytes=0.1)
    removed = to_remove(held, limits, 100 * HOUR_NS, needed_bytes, lambda one: one.id in labelled)
    assert len({one.id for one in removed}) == len(removed)
    left = [one for one in held if one not in removed]
    assert sum(one.size_bytes for one in left) + needed_bytes <= 100_000 or left == []
    assert all(one.time_ns >= 76 * HOUR_NS or one.id in labelled for one in left)
    if any(one.id in labelled for one in removed):
        assert all(one.id in labelled for one in left)
    for group in (labelled, {one.id for one in held} - labelled):
        ages = [one.time_ns for one in removed if one.id in group]
        assert all(one.time_ns >= max(ages, default=0) for one in left if one.id in group)


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """While it holds, the system refuses to write more into a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    ring = ring_in(tmp_path)
    ring.keep(a_capture(1), SECOND)
    with files_of_at_most(20_000), pytest.raises(OSError, match="too large"):
        ring.keep(a_capture(2), SECOND)
    assert utterances(ring) == [1]
    assert len(list(tmp_path.iterdir())) == 2


class Disk:
    """Writes, or fails as told."""

    def __init__(self) -> None:
        self.fails: OSError | None = None

    def write(self, path: Path, data: bytes) -> None:
        if self.fails is not None and path.suffix == ".json":
            raise self.fails
        write_private(path, data)


def test_trouble_is_told_once_and_ends(tmp_path: Path) -> None:
    disk = Disk()
    ring = ring_in(tmp_path, write=disk.write)
    full, denied = OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EACCES, "Permission denied")
    with capture_logs() as logs:
        writer = Writer(ring)
        for number, fails in enumerate([None, full, full, denied, None, None], start=1):
            disk.fails = fails
            writer.put(a_capture(number), SECOND)
            wait_until(lambda done=number: writer.written + writer.failed == done)
            if number == 3:
                assert len(list(tmp_path.iterdir())) == 2  # nothing of the failed ones
        writer.close()
    assert (writer.written, writer.failed) == (3, 3)
    told = [(log["event"], log.get("reason")) for log in logs if log["log_level"] != "debug"]
    assert told == [
        ("captures cannot be written", "No space left on device"),
        ("captures cannot be written", "Permission denied"),
        ("captures are written again", None),
    ]
    assert utterances(ring) == [1, 5, 6]


def wait_until(reached: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(1_000):
        if reached():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not come to that within 10 s")


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with capture_logs() as logs:
        writer = Writer(ring_in(tmp_path / "file" / "captures"))
        writer.put(a_capture(1), SECOND)
        writer.put(a_capture(2), SECOND)
        writer.close()
    assert (writer.written, writer.failed) == (0, 2)
    assert [log["reason"] for log in logs if log["log_level"] == "warning"] == ["Not a directory"]


def test_a_folder_that_was_removed_comes_back(tmp_path: Path) -> None:
    ring = ring_in(tmp_path / "captures")
    ring.keep(a_capture(1), SECOND)
    shutil.rmtree(tmp_path / "captures")
    ring.keep(a_capture(2), SECOND)
    assert utterances(ring) == [2]


def test_a_slow_disk_makes_nobody_wait(tmp_path: Path) -> None:
    go = threading.Event()

    def slow(path: Path, data: bytes) -> None:
        go.wait(20)
        write_private(path, data)

    writer = Writer(ring_in(tmp_path, write=slow))
    with capture_logs() as logs:
        for number in range(QUEUE_CAPTURES + 5):
            writer.put(a_capture(number), SECOND)
        assert writer.dropped >= 4
        writer.close(seconds=0.05)
    assert "captures are still being written; what waits is lost" in [log["event"] for log in logs]
    go.set()
    writer.close()
    assert writer.written + writer.dropped == QUEUE_CAPTURES + 5


def test_labels(tmp_path: Path) -> None:
    ring = ring_in(tmp_path)
    capture = a_capture(7)
    ring.keep(capture, SECOND)
    store = ring.store
    label = Label(addressed=True, heads=[HEADS[1]], note="said twice")
    assert store.label(capture.id, label).label == label
    assert store.read()[0][0].label == label
    assert stat.S_IMODE((tmp_path / f"{capture.id}.json").stat().st_mode) == 0o600
    assert store.label(Utterance(STREAM, 7), Label(addressed=False)).label == Label(addressed=False)
    assert store.label(capture.id, None) == capture
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (Label(addressed=True, heads=["hasPhotoQuerry"]), "did you mean 'hasPhotoQuery'"),
        (Label(addressed=True, heads=[HEADS[0]]), "is the gate"),
        (Label(addressed=False, heads=[HEADS[1]]), "what is not addressed has no intent"),
        (Label(addressed=True, note="x" * 501), "500 or fewer"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, label: Label, said: str) -> None:
    ring = ring_in(tmp_path)
    ring.keep(a_capture(7), SECOND)
    with pytest.raises(DaemonError, match=said):
        ring.store.label(a_capture(7).id, label)
    assert ring.store.read()[0] == [a_capture(7)]


@pytest.mark.parametrize("which", ["../../etc/passwd", "", "x", Utterance(STREAM, 8), Utterance("5f0c9a1bffff", 7)])
def test_labels_of_nothing(tmp_path: Path, which: str | Utterance) -> None:
    ring = ring_in(tmp_path)
    ring.keep(a_capture(7), SECOND)
    with pytest.raises(DaemonError, match="there is no capture"):
        ring.store.label(which, ADDRESSED)


def test_a_label_for_what_just_went(tmp_path: Path) -> None:
    ring = ring_in(tmp_path)
    ring.keep(a_capture(7), SECOND)
    ring.store.recording(a_capture(7).id).unlink()
    with pytest.raises(DaemonError, match="its recording is gone"):
        ring.store.label(a_capture(7).id, ADDRESSED)
    assert list(tmp_path.iterdir()) == []


def test_sidecars_that_are_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ring = ring_in(tmp_path)
    contents = [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{}", msgspec.json.encode(a_capture(99))]
    document = json.loads(msgspec.json.encode(a_capture(7)))
    contents += [json.dumps({**document, **change}).encode() for change in (
        {"heads": []}, {"peaks": {}}, {"kind": "song"}, {"v": 2}, {"label": {"addressed": True, "heads": ["x"]}})]  # fmt: skip
    for number, content in enumerate(contents, start=1):
        ring.store.recording(a_capture(number).id).write_bytes(b"RIFF")
        (tmp_path / f"{a_capture(number).id}.json").write_bytes(content)
    ring.keep(a_capture(50), SECOND)
    captures, problems = ring.store.read()
    assert captures == [a_capture(50)]
    assert len(problems) == len(contents)
    assert main(["captures", "list", "--folder", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1
    assert len(shown.err.splitlines()) == len(contents)
    assert "Traceback" not in shown.err
    with capture_logs() as logs:
        ring_in(tmp_path, now_ns=NOON_NS + 25 * HOUR_NS).tidy()
    assert list(tmp_path.iterdir()) == []
    assert len(logs) == len(contents)  # told before they went
