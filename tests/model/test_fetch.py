"""Public corpora over a real server on 127.0.0.1: resumed, verified, told apart, and never spoiled."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from inherentd.inherent_model import cli
from inherentd.inherent_model.corpus import fetch as fetching
from inherentd.inherent_model.corpus import folder as folders
from inherentd.inherent_model.corpus.check import check
from inherentd.inherent_model.corpus.download import Patience
from inherentd.inherent_model.corpus.public import load_corpus, names, read_catalogue, select
from inherentd.inherent_model.corpus.unpack import unpack
from inherentd.inherent_model.errors import ModelError
from tests.model.local_server import Site, serving

BIG = bytes(range(256)) * 12_000  # about 3 MB: many pieces
QUICK = Patience(tries=4, first_wait_s=0.01, longest_wait_s=0.05, timeout_s=5)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving() as site:
        yield site


class Desk:
    """A catalogue file and a folder of a user's."""

    def __init__(self, site: Site, tmp_path: Path) -> None:
        self.site, self.catalogue, self.folder = site, tmp_path / "mine.yaml", tmp_path / "corpora" / "mine"

    def describe(self, *files: dict, version: str = "1", **more: object) -> None:
        listed = [{"url": f"{self.site.address}/{file['path']}", **file} for file in files]
        self.catalogue.write_text(
            yaml.safe_dump(
                {"name": "mine", "version": version, "licence": "CC0-1.0", "homepage": "x", "files": listed, **more}
            )
        )

    def fetch(self, **options: object) -> dict[str, tuple[bool, str]]:
        corpus = load_corpus("mine", self.catalogue)
        options = fetching.Options(**{"patience": QUICK, **options})
        outcomes = fetching.fetch(corpus, self.folder, select(corpus), options)
        return {outcome.file.path: (outcome.ok, outcome.message) for outcome in outcomes}

    def run(self, *arguments: str) -> int:
        return cli.main(
            ["corpus", "fetch", "mine", "--catalogue", str(self.catalogue), "--out", str(self.folder), *arguments]
        )

    @property
    def record(self) -> dict:
        return json.loads((self.folder / "fetched.json").read_text())

    def leftovers(self) -> list[str]:
        return [path.name for path in self.folder.rglob("*") if path.suffix in {".part", ".json", ".new", ".unpacking"}]


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Desk:
    return Desk(site, tmp_path)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_files_come_whole_and_are_recorded(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.site.files = {"a.txt": b"alpha", "deep/b.bin": BIG, "c.txt": b"gamma"}
    desk.describe(
        {"path": "a.txt", "bytes": 5, "sha256": sha256(b"alpha"), "licence": "CC-BY-4.0"},
        {"path": "deep/b.bin", "md5": hashlib.md5(BIG).hexdigest()},
        {"path": "c.txt"},
    )
    assert desk.run("--jobs", "2") == 0
    shown = capsys.readouterr().err
    assert "a.txt: fetched, right by sha256; licence CC-BY-4.0" in shown
    assert f"trusted: later fetches are held to sha256 {sha256(b'gamma')}" in shown
    assert (desk.folder / "deep" / "b.bin").read_bytes() == BIG
    assert desk.leftovers() == ["fetched.json"]
    assert (desk.record["name"], desk.record["version"], desk.record["homepage"]) == ("mine", "1", "x")
    kept = desk.record["files"]
    assert {path: entry["verified_by"] for path, entry in kept.items()} == {
        "a.txt": "sha256", "deep/b.bin": "md5", "c.txt": "first use"}  # fmt: skip
    assert kept["deep/b.bin"]["bytes"] == len(BIG) and kept["deep/b.bin"]["sha256"] == sha256(BIG)
    assert kept["a.txt"]["licence"] == "CC-BY-4.0" and kept["c.txt"]["licence"] == "CC0-1.0"
    assert kept["a.txt"]["url"] == f"{desk.site.address}/a.txt" and kept["a.txt"]["time"].startswith("20")
    before = len(desk.site.requests)
    assert desk.run() == 0
    assert len(desk.site.requests) == before, "what is there and right is not asked for again"
    assert desk.run("--check") == 0


def test_a_dropped_connection_is_resumed_where_it_ended(desk: Desk) -> None:
    desk.site.files, desk.site.drops_at = {"b.bin": BIG}, {"b.bin": [1_000_000, 500_000]}
    desk.describe({"path": "b.bin", "sha256": sha256(BIG)})
    assert desk.fetch()["b.bin"][0]
    assert (desk.folder / "b.bin").read_bytes() == BIG
    assert desk.site.ranges("b.bin") == [None, "bytes=1000000-", "bytes=1500000-"]


def test_patience_lasts_as_long_as_there_is_progress(desk: Desk) -> None:
    desk.site.files, desk.site.drops_at = {"b.bin": BIG}, {"b.bin": [1_100_000, 1_100_000]}
    desk.describe({"path": "b.bin", "sha256": sha256(BIG)})
    assert desk.fetch(patience=Patience(tries=2, first_wait_s=0.01))["b.bin"][0]


def test_a_later_run_goes_on_from_the_part(desk: Desk) -> None:
    desk.site.files, desk.site.drops_at = {"b.bin": BIG}, {"b.bin": [700_000, 0, 0, 0]}
    desk.describe({"path": "b.bin", "sha256": sha256(BIG)})
    ok, message = desk.fetch()["b.bin"]
    assert not ok and "the next fetch goes on from it" in message
    assert not (desk.folder / "b.bin").exists() and (desk.folder / "b.bin.part").stat().st_size == 700_000
    assert desk.fetch()["b.bin"][0]
    assert desk.site.ranges("b.bin")[-1] == "bytes=700000-"
    assert (desk.folder / "b.bin").read_bytes() == BIG


def test_a_server_without_ranges_is_read_from_the_start(desk: Desk) -> None:
    desk.site.files, desk.site.drops_at, desk.site.ignores_range = {"b.bin": BIG}, {"b.bin": [900_000]}, {"b.bin"}
    desk.describe({"path": "b.bin", "sha256": sha256(BIG)})
    assert desk.fetch()["b.bin"][0]
    assert desk.site.ranges("b.bin") == [None, "bytes=900000-"]
    assert (desk.folder / "b.bin").read_bytes() == BIG


def test_a_file_that_changed_between_two_runs_is_begun_again(desk: Desk) -> None:
    """No digest is known, so only the server's ETag tells that the part is of another version."""
    newer = BIG[::-1]
    desk.site.files, desk.site.etags, desk.site.drops_at = (
        {"b.bin": BIG},
        {"b.bin": '"1"'},
        {"b.bin": [700_000, 0, 0, 0]},
    )
    desk.describe({"path": "b.bin"})
    assert not desk.fetch()["b.bin"][0]
    desk.site.files, desk.site.etags = {"b.bin": newer}, {"b.bin": '"2"'}
    assert desk.fetch()["b.bin"][0]
    assert (desk.folder / "b.bin").read_bytes() == newer


def test_without_digest_and_etag_a_part_is_never_gone_on_with(desk: Desk) -> None:
    newer = BIG[::-1]
    desk.site.files, desk.site.drops_at = {"b.bin": BIG}, {"b.bin": [700_000, 700_000, 700_000, 700_000]}
    desk.describe({"path": "b.bin"})
    assert not desk.fetch()["b.bin"][0]
    desk.site.files = {"b.bin": newer}
    assert desk.fetch()["b.bin"][0]
    assert (desk.folder / "b.bin").read_bytes() == newer
    assert set(desk.site.ranges("b.bin")) == {None}


@pytest.mark.parametrize("change", ["shorter", "same length"])
def test_a_part_of_another_version_does_not_spoil_the_file(desk: Desk, change: str) -> None:
    """The catalogue moved on to other content at the same address: 416 where it is shorter, wrong pieces where not."""
    newer = BIG[:500_000] if change == "shorter" else BIG[::-1]
    desk.site.files, desk.site.drops_at = {"b.bin": BIG}, {"b.bin": [700_000, 0, 0, 0]}
    desk.describe({"path": "b.bin", "sha256": sha256(BIG)})
    assert not desk.fetch()["b.bin"][0]
    desk.site.files = {"b.bin": newer}
    desk.describe({"path": "b.bin", "sha256": sha256(newer)})
    assert desk.fetch()["b.bin"][0]
    assert (desk.folder / "b.bin").read_bytes() == newer


def test_a_part_that_was_whole_needs_no_request(desk: Desk) -> None:
    desk.describe({"path": "a.txt", "sha256": sha256(b"alpha")})
    desk.folder.mkdir(parents=True)
    (desk.folder / "a.txt.part").write_bytes(b"alpha")
    (desk.folder / "a.txt.part.json").write_text(json.dumps({"url": f"{desk.site.address}/a.txt", "total": 5}))
    assert desk.fetch()["a.txt"][0]
    assert desk.site.requests == []


def test_a_busy_server_is_asked_again_and_a_closed_one_given_up(desk: Desk) -> None:
    desk.site.files, desk.site.unavailable["a.txt"] = {"a.txt": b"alpha"}, 2
    desk.site.unavailable["never.txt"] = 99
    desk.describe(
        {"path": "a.txt"},
        {"path": "never.txt"},
        {"path": "gone.txt"},
        {"path": "closed.txt", "url": "http://127.0.0.1:9/x"},
    )
    outcomes = desk.fetch()
    assert outcomes["a.txt"][0] and len(desk.site.ranges("a.txt")) == 3
    assert not outcomes["never.txt"][0] and "503" in outcomes["never.txt"][1] and "4 tries" in outcomes["never.txt"][1]
    assert not outcomes["gone.txt"][0] and "404" in outcomes["gone.txt"][1]
    assert len(desk.site.ranges("gone.txt")) == 1, "what is not there will not be there in a second"
    assert not outcomes["closed.txt"][0] and "ConnectError" in outcomes["closed.txt"][1]


def test_redirects_are_followed_but_not_to_anywhere(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    desk.site.files = {"b.txt": b"beta"}
    desk.site.redirects = {"a.txt": "/b.txt", "file.txt": secret.as_uri(), "round.txt": "/round.txt"}
    desk.describe({"path": "a.txt"}, {"path": "file.txt"}, {"path": "round.txt"})
    outcomes = desk.fetch()
    assert (desk.folder / "a.txt").read_bytes() == b"beta"
    assert not outcomes["file.txt"][0] and not outcomes["round.txt"][0]
    assert not (desk.folder / "file.txt").exists()


def test_wrong_content_is_refused_with_both_values(desk: Desk) -> None:
    desk.site.files = {"a.txt": b"alpha", "b.txt": b"beta", "page.txt": b"<html>log in</html>"}
    desk.describe(
        {"path": "a.txt", "sha256": sha256(b"other")},
        {"path": "b.txt", "md5": "0" * 32},
        {"path": "page.txt", "bytes": 1_000_000},
    )
    outcomes = desk.fetch()
    assert not any(ok for ok, _ in outcomes.values())
    assert sha256(b"alpha") in outcomes["a.txt"][1] and sha256(b"other") in outcomes["a.txt"][1]
    assert hashlib.md5(b"beta").hexdigest() in outcomes["b.txt"][1]
    assert "19 bytes, expected 1000000" in outcomes["page.txt"][1]
    assert [path.name for path in desk.folder.iterdir()] == [".lock"]


def test_a_file_without_digest_is_held_to_what_was_first_fetched(desk: Desk) -> None:
    desk.site.files = {"a.txt": b"alpha"}
    desk.describe({"path": "a.txt"})
    assert desk.fetch()["a.txt"][0]
    desk.site.files = {"a.txt": b"changed"}
    (desk.folder / "a.txt").unlink()
    ok, message = desk.fetch()["a.txt"]
    assert not ok and sha256(b"alpha") in message and sha256(b"changed") in message and "--replace" in message
    assert desk.fetch(replace=True)["a.txt"][0]
    assert desk.record["files"]["a.txt"]["sha256"] == sha256(b"changed")


def test_a_damaged_file_is_named_by_check_and_mended_by_fetch(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.site.files = {"a.txt": b"alpha", "b.txt": b"beta"}
    desk.describe(
        {"path": "a.txt", "sha256": sha256(b"alpha")}, {"path": "b.txt"}, {"path": "c.txt", "required": False}
    )
    assert desk.run() == 0
    (desk.folder / "a.txt").write_bytes(b"alphb")
    assert desk.run("--check") == 1
    assert "failed: a.txt: sha256" in capsys.readouterr().err
    assert desk.fetch()["a.txt"][0]
    (desk.folder / "b.txt").unlink()
    requests = len(desk.site.requests)
    assert desk.run("--check") == 1
    assert "failed: b.txt: missing" in capsys.readouterr().err
    assert len(desk.site.requests) == requests, "checking fetches nothing"
    (desk.folder / "fetched.json").unlink()
    (desk.folder / "b.txt").write_bytes(b"beta")
    outcomes = {
        o.file.path: o
        for o in check(read_catalogue(desk.catalogue), desk.folder, select(read_catalogue(desk.catalogue)))
    }
    assert outcomes["a.txt"].ok and not outcomes["b.txt"].ok and "fetched.json" in outcomes["b.txt"].message


def test_only_a_required_file_decides_the_exit_code(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.site.files = {"a.txt": b"alpha"}
    desk.describe({"path": "a.txt"}, {"path": "extra.txt", "required": False})
    assert desk.run() == 0
    assert "warning, optional: extra.txt: " in capsys.readouterr().err
    desk.describe({"path": "a.txt"}, {"path": "extra.txt"})
    assert desk.run() == 1
    shown = capsys.readouterr().err
    assert "failed: extra.txt: " in shown and "1 required file is not there" in shown


def test_groups_and_single_files_are_chosen(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.site.files = {"a.txt": b"a", "small.txt": b"s", "big.txt": b"b"}
    desk.describe(
        {"path": "a.txt"}, {"path": "small.txt", "group": "small"}, {"path": "big.txt", "group": "big"},
        default_groups=["small"],
    )  # fmt: skip
    assert desk.run() == 0
    assert "left out unless named with --groups: big" in capsys.readouterr().err
    assert not (desk.folder / "big.txt").exists() and (desk.folder / "small.txt").exists()
    assert desk.run("--only", "big.txt") == 0
    assert (desk.folder / "big.txt").exists()
    assert desk.run("--groups", "all") == 0
    assert desk.run("--groups", "huge") == 1
    assert "'huge' is not known; expected one of: small, big" in capsys.readouterr().err
    assert desk.run("--only", "x.txt") == 1
    assert desk.run("--list") == 0
    assert "big.txt: size not stated, required, group big, held to first use" in capsys.readouterr().out


def test_another_version_is_refused_and_replaced_on_demand(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tar_of({"x.txt": b"old"})
    desk.site.files = {"a.txt": b"alpha", "same.txt": b"same", "old.tar.gz": archive}
    desk.describe({"path": "a.txt"}, {"path": "same.txt"}, {"path": "old.tar.gz"})
    assert desk.run("--unpack") == 0 and (desk.folder / "old" / "x.txt").exists()
    desk.site.files["a.txt"] = b"alpha two"
    desk.describe({"path": "a.txt"}, {"path": "same.txt", "sha256": sha256(b"same")}, version="2")
    for arguments in ([], ["--check"]):
        assert desk.run(*arguments) == 1
        shown = capsys.readouterr().err
        assert "holds mine 1, the catalogue says 2" in shown and "--replace" in shown
    assert (desk.folder / "a.txt").read_bytes() == b"alpha"
    requests = len(desk.site.ranges("same.txt"))
    assert desk.run("--replace") == 0
    assert (desk.folder / "a.txt").read_bytes() == b"alpha two"
    assert desk.record["version"] == "2" and set(desk.record["files"]) == {"a.txt", "same.txt"}
    assert not (desk.folder / "old.tar.gz").exists() and not (desk.folder / "old").exists()
    assert len(desk.site.ranges("same.txt")) == requests


def test_a_folder_of_another_corpus_or_with_a_broken_record_is_refused(desk: Desk) -> None:
    desk.describe({"path": "a.txt"})
    desk.folder.mkdir(parents=True)
    for record, message in (
        ({"name": "yours", "version": "1", "homepage": ""}, "holds the corpus 'yours'"),
        ({"name": "mine"}, "fetched.json"),
        ({"name": "mine", "version": "0", "homepage": "", "files": {"../../x": dict.fromkeys(("url", "sha256", "licence", "time", "verified_by"), "") | {"bytes": 1}}}, "out of the folder"),
    ):  # fmt: skip
        (desk.folder / "fetched.json").write_text(json.dumps(record))
        with pytest.raises(ModelError, match=message):
            desk.fetch(replace=True)


def test_a_full_disk_is_noticed_before_anything_is_fetched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.describe({"path": "a.tar.gz", "bytes": 10**9})
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda _: usage._replace(free=15 * 10**8))
    assert not desk.fetch()["a.tar.gz"][0]  # it fits, but is not there
    with pytest.raises(ModelError, match=r"2\.00 GB are needed, 1\.50 GB are free"):
        desk.fetch(unpack=True)


def test_two_fetches_of_one_folder_do_not_meet(desk: Desk) -> None:
    desk.describe({"path": "a.txt"})
    desk.folder.mkdir(parents=True)
    with folders.locked(desk.folder), pytest.raises(ModelError, match="another fetch"):
        desk.fetch()


def test_ctrl_c_ends_soon_and_keeps_the_part(desk: Desk) -> None:
    desk.site.files, desk.site.unavailable["slow.txt"] = {"a.txt": b"alpha"}, 10**6
    desk.describe({"path": "a.txt"}, {"path": "slow.txt"})
    corpus = read_catalogue(desk.catalogue)
    patient = Patience(tries=10**6, first_wait_s=30)
    outcomes = fetching.fetch(corpus, desk.folder, select(corpus), fetching.Options(patience=patient))
    assert next(outcomes).file.path == "a.txt"
    closing = threading.Thread(target=outcomes.close)  # what an exception in the loop over them does
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    assert desk.record["files"].keys() == {"a.txt"}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"path": "../a.txt"}, "stays in the folder"),
        ({"path": "/etc/passwd"}, "stays in the folder"),
        ({"path": "a/../../b"}, "stays in the folder"),
        ({"path": "a\\b"}, "stays in the folder"),
        ({"path": "fetched.json"}, "stays in the folder"),
        ({"path": "a.part"}, "stays in the folder"),
        ({"path": ".bashrc"}, "stays in the folder"),
        ({"path": "a", "url": "file:///etc/passwd"}, "http:// or https://"),
        ({"path": "a", "url": "ftp://x/y"}, "http:// or https://"),
        ({"path": "a", "url": "https://me:secret@x/y"}, "without a user name"),
        ({"path": "a", "sha256": "12"}, "sha256"),
        ({"path": "a", "colour": "red"}, "colour"),
        ({"path": "a", "bytes": -1}, "bytes"),
    ],
)
def test_a_catalogue_that_cannot_be_trusted_is_refused(desk: Desk, file: dict, message: str) -> None:
    desk.describe(file)
    with pytest.raises(ModelError, match=message):
        read_catalogue(desk.catalogue)


def test_other_faults_of_a_catalogue_are_named(desk: Desk, tmp_path: Path) -> None:
    desk.describe({"path": "a"}, {"path": "a"})
    with pytest.raises(ModelError, match="'a' stands there twice"):
        read_catalogue(desk.catalogue)
    desk.describe({"path": "a", "group": "g"}, default_groups=["h"])
    with pytest.raises(ModelError, match="default group 'h'"):
        read_catalogue(desk.catalogue)
    desk.describe({"path": "a"})
    with pytest.raises(ModelError, match="holds the corpus 'mine', but 'yours'"):
        load_corpus("yours", desk.catalogue)
    with pytest.raises(ModelError, match="no such catalogue file"):
        load_corpus("mine", tmp_path / "none.yaml")
    with pytest.raises(ModelError, match="known are clinc150, librispeech"):
        load_corpus("../../x")


def test_the_projects_own_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"slurp", "massive", "librispeech", "musan", "speech_commands", "clinc150"} <= set(names())
    for name in names():
        corpus = load_corpus(name)
        assert corpus.name == name and corpus.licence and corpus.homepage.startswith("https://")
        assert all(file.url.startswith("https://") for file in corpus.files)
    assert cli.main(["corpus", "fetch", "--list"]) == 0
    assert "librispeech SLR12: 7.07 GB, CC-BY-4.0; groups: dev-clean" in capsys.readouterr().out
    assert cli.main(["corpus", "fetch"]) == 1


def tar_of(members: dict[str, bytes], link: tuple[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo(link[0])
            member.type, member.linkname = tarfile.SYMTYPE, link[1]
            file.addfile(member)
    return out.getvalue()


def test_archives_are_unpacked_once_and_whole(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("in/z.txt", "zip")
    desk.site.files = {
        "t.tar.gz": tar_of({"in/t.txt": b"tar"}),
        "z.zip": zipped.getvalue(),
        "broken.tgz": b"no archive",
    }
    desk.describe({"path": "t.tar.gz"}, {"path": "z.zip"}, {"path": "broken.tgz", "required": False})
    assert desk.run("--unpack") == 0
    assert "warning, optional: broken.tgz: " in capsys.readouterr().err
    assert (desk.folder / "t" / "in" / "t.txt").read_text() == "tar"
    assert (desk.folder / "z" / "in" / "z.txt").read_text() == "zip"
    assert not (desk.folder / "broken").exists() and not list(desk.folder.glob("*.unpacking"))
    stamp = (desk.folder / "t" / "in" / "t.txt").stat().st_mtime_ns
    assert desk.run("--unpack", "--only", "t.tar.gz") == 0
    assert (desk.folder / "t" / "in" / "t.txt").stat().st_mtime_ns == stamp
    desk.site.files["t.tar.gz"] = tar_of({"in/new.txt": b"tar"})
    assert desk.run("--unpack", "--only", "t.tar.gz", "--replace") == 0
    assert [path.name for path in (desk.folder / "t" / "in").iterdir()] == ["new.txt"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("up.tar.gz", tar_of({"fine.txt": b"x", "../escaped.txt": b"x"})),
        ("link.tar.gz", tar_of({"fine.txt": b"x"}, link=("out", "../../.."))),
        ("up.zip", None),
    ],
)
def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    archive = tmp_path / "corpus" / name
    archive.parent.mkdir()
    if content:
        archive.write_bytes(content)
    else:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("../escaped.txt", "x")
    with pytest.raises(ModelError, match=name):
        unpack(archive, "0" * 64)
    assert [path.name for path in archive.parent.iterdir()] == [name]
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_folder_of_the_users_is_not_replaced(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar.gz"
    archive.write_bytes(tar_of({"a": b"a"}))
    (tmp_path / "x").mkdir()
    with pytest.raises(ModelError, match="was not made by --unpack"):
        unpack(archive, "0" * 64)
