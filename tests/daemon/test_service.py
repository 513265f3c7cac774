"""Units that systemd itself approves, and an installation that can be taken back."""

from __future__ import annotations

import argparse
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from inherentd.client.places import runtime_folder
from inherentd.daemon import places
from inherentd.daemon.cli import main
from inherentd.daemon.commands import service as command
from inherentd.daemon.errors import DaemonError
from inherentd.daemon.service import linux, macos, plan, program, units
from inherentd.daemon.service.plan import Result

NAMES = [
    "default",
    "USB Audio: #1 (hw:1,0)",
    "hw:CARD=Mic,DEV=0",
    ".hidden",
    "a/b-c\\d",
    'quo"te 50% $HOME',
    "Mikrofön",
]
PROGRAM = program.command()


class FakePrograms:
    """Notes what is run; `answers` by the first words of a command."""

    def __init__(self, **answers: Result) -> None:
        self.ran: list[str] = []
        self.answers = answers

    def __call__(self, command: Sequence[str]) -> Result:
        self.ran.append(" ".join(command))
        return next((answer for word, answer in self.answers.items() if word in command), Result(0))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


@pytest.fixture
def system(tmp_path: Path) -> linux.Manager:
    return linux.system_manager(tmp_path / "system")


def service(*words: str, platform: str = "linux", programs: FakePrograms | None = None) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words), programs or FakePrograms(), platform, {}, lambda: "sound came")


def analyze(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "XDG_RUNTIME_DIR": str(folder)}
    line = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment)


def verified(path: Path, *options: str) -> None:
    done = analyze(*options, "verify", "--man=no", path, folder=path.parent)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_no_fault_with_the_user_unit(tmp_path: Path) -> None:
    unit = tmp_path / units.USER_UNIT
    unit.write_text(units.render(units.USER_UNIT, PROGRAM, ["--input", 'mic:quo"te 50% \\ $HOME\n', ";", ""]))
    verified(unit, "--user")


def test_systemd_finds_no_fault_with_the_system_unit_and_its_options(system: linux.Manager) -> None:
    plan.take(linux.install_for_system(system, "hw:1,0", PROGRAM, ["--set", "publish.device=a b"]), FakePrograms())
    verified(system.folder / units.SYSTEM_UNIT)
    drop_in = system.folder / f"{units.instance('hw:1,0')}.d" / "options.conf"
    of_all = system.folder / f"{units.SYSTEM_UNIT}.d" / drop_in.name  # verify looks at an instance of its own
    of_all.parent.mkdir()
    shutil.copy(drop_in, of_all)
    verified(system.folder / units.SYSTEM_UNIT)


def test_verify_would_have_found_a_fault(tmp_path: Path) -> None:
    unit = tmp_path / units.USER_UNIT
    unit.write_text(units.render(units.USER_UNIT, ["/nowhere/inherentd"]))
    assert analyze("verify", unit, folder=tmp_path).returncode != 0


def test_the_system_unit_exposes_little(tmp_path: Path) -> None:
    unit = tmp_path / units.SYSTEM_UNIT
    unit.write_text(units.render(units.SYSTEM_UNIT, PROGRAM))
    done = analyze("security", "--no-pager", "--offline=true", "--threshold=20", unit, folder=tmp_path)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert done.returncode == 0 and found, done.stderr
    print(found[0])
    assert float(found[1]) <= 2.0


@pytest.mark.parametrize("name", NAMES)
def test_names_are_escaped_as_systemd_does(name: str) -> None:
    if not shutil.which("systemd-escape"):
        pytest.skip("systemd-escape is not installed: apt-get install systemd")
    said = subprocess.run(["systemd-escape", "--", name], capture_output=True, text=True, check=True).stdout
    assert units.escaped(name) == said.removesuffix("\n")


def test_a_program_is_named_only_when_it_is_there(tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match="install inherentd again"):
        program.command(tmp_path / "python")
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    assert program.command(python) == [str(python), "-P", "-m", "inherentd.daemon.cli"]
    script = tmp_path / "inherentd"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert program.command(python) == [str(script)]


def test_what_systemd_cannot_start_is_refused() -> None:
    with pytest.raises(DaemonError, match="quotes or backslashes"):
        units.render(units.USER_UNIT, ['/opt/a"b/inherentd'])
    with pytest.raises(DaemonError, match="hidden from the system's service"):
        program.refuse_private([Path("/usr/bin/python3"), Path("/home/x")])
    with pytest.raises(DaemonError, match="a part of the name is enough"):
        units.instance("x" * 80)


def test_a_user_installs_and_removes_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs = FakePrograms()
    words = ("install", "--device", "USB Mic", "--", "--set", "gate.hangover_ms=900")
    assert service(*words, "--backend", "onnx", programs=programs) == 0
    unit = home / ".config/systemd/user/inherentd.service"
    start = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    assert start.endswith('--input "mic:USB Mic" --set gate.hangover_ms=900 --backend onnx')
    assert "@INHERENTD@ run" not in start
    assert programs.ran == [
        "systemctl --user daemon-reload",
        "systemctl --user enable inherentd.service",
        "systemctl --user restart --no-block inherentd.service",
    ]
    assert service("uninstall", programs=programs) == 0
    assert programs.ran[3:] == [
        "systemctl --user disable --now inherentd.service",
        "systemctl --user daemon-reload",
    ]
    assert [path for path in home.rglob("*") if path.is_file()] == []
    capsys.readouterr()
    assert service("uninstall", programs=programs) == 0
    assert "not installed" in capsys.readouterr().err
    assert len(programs.ran) == 5


def test_its_folder_is_where_xdg_says(tmp_path: Path) -> None:
    assert linux.user_manager({"XDG_CONFIG_HOME": str(tmp_path)}).folder == tmp_path / "systemd" / "user"


def test_a_dry_run_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs = FakePrograms()
    assert service("install", "--dry-run", programs=programs) == 0
    assert "run systemctl --user daemon-reload" in capsys.readouterr().out
    assert programs.ran == [] and list(home.iterdir()) == []


def test_the_system_has_a_service_for_each_microphone(system: linux.Manager) -> None:
    programs = FakePrograms()
    wants = system.folder / "multi-user.target.wants"
    wants.mkdir(parents=True)
    for name in ("hw:1,0", "hw:2,0"):
        plan.take(linux.install_for_system(system, name, PROGRAM, ["--backend", "onnx"]), programs)
        (wants / units.instance(name)).symlink_to(system.folder / units.SYSTEM_UNIT)  # what systemctl enable does
    assert programs.ran[1] == r"systemctl enable inherentd@hw:1\x2c0.service"
    assert linux.installed_instances(system) == [units.instance("hw:1,0"), units.instance("hw:2,0")]
    plan.take(linux.uninstall(system, "hw:1,0"), programs)
    assert (system.folder / units.SYSTEM_UNIT).exists()
    assert linux.installed_instances(system) == [units.instance("hw:2,0")]
    plan.take(linux.uninstall(system, None), programs)
    assert [path for path in system.folder.rglob("*") if path != wants] == []


def test_options_that_were_left_out_are_forgotten(system: linux.Manager) -> None:
    plan.take(linux.install_for_system(system, "mic", PROGRAM, ["--backend", "onnx"]), FakePrograms())
    plan.take(linux.install_for_system(system, "mic", PROGRAM, []), FakePrograms())
    assert [path.name for path in system.folder.rglob("*")] == [units.SYSTEM_UNIT]


def test_without_a_manager_it_says_what_is_left_to_do(home: Path) -> None:
    no_bus = FakePrograms(systemctl=Result(1, "Failed to connect to bus: No medium found\n"))
    with pytest.raises(DaemonError) as error:
        service("install", programs=no_bus)
    assert "No medium found" in str(error.value)
    assert f"wrote {home / '.config/systemd/user/inherentd.service'}" in str(error.value)
    assert "to finish: systemctl --user daemon-reload && systemctl --user enable" in str(error.value)
    assert no_bus.ran == ["systemctl --user daemon-reload"]
    with pytest.raises(DaemonError, match="removed"):
        service("uninstall", programs=no_bus)
    assert not (home / ".config/systemd/user/inherentd.service").exists()


def test_a_program_that_is_missing_or_fails_has_an_exit_code() -> None:
    assert plan.run_program(["/nowhere/systemctl"]) == Result(127, "/nowhere/systemctl: No such file or directory")
    assert plan.run_program([sys.executable, "-c", "import sys; sys.exit('why')"]) == Result(1, "why\n")


def test_status(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert service("status") == 1
    assert "not installed" in capsys.readouterr().out
    service("install")
    answer = "ActiveState=active\nSubState=running\nStatusText=listening\nNRestarts=2\n"
    assert service("status", programs=FakePrograms(show=Result(0, answer))) == 0
    said = capsys.readouterr().out
    assert "inherentd.service: active (running), 2 restarts, says: listening" in said
    assert "journalctl --user --unit inherentd.service" in said
    waiting = answer.replace("=active", "=activating").replace("running", "start")
    assert service("status", programs=FakePrograms(show=Result(0, waiting))) == 1


def test_used_wrongly(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    for words in ([], ["begin"], ["install", "--nope"], ["install", "--system"], ["install", "--", "--nope"]):
        with pytest.raises(SystemExit) as stop:
            sys.exit(main(["service", *words]))
        assert stop.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["service", "install", "--", "--set", "gate.nope=1"]) == 2
    assert main(["service", "install", "--", "--config", "my.yaml"]) == 1
    assert "whole path" in capsys.readouterr().err
    assert service("install", "--system", "--device", "x", platform="darwin") == 2
    assert list(home.iterdir()) == []


def test_the_agent_of_macos(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs = FakePrograms(bootout=Result(3, "No such process"))
    assert service("install", "--", "--backend", "onnx", platform="darwin", programs=programs) == 0
    assert "sound came" in capsys.readouterr().err
    file = home / "Library/LaunchAgents/org.inherentd.agent.plist"
    agent = plistlib.loads(file.read_bytes())
    assert agent["ProgramArguments"][: len(PROGRAM) + 1] == [*PROGRAM, "run"]
    assert agent["ProgramArguments"][-2:] == ["--backend", "onnx"]
    assert Path(agent["ProgramArguments"][0]).is_file()
    assert agent["RunAtLoad"] is agent["KeepAlive"] is True
    assert agent["StandardErrorPath"] == str(home / "Library/Logs/inherentd.log")
    assert b"@" not in file.read_bytes()
    assert [line.split()[1] for line in programs.ran] == ["bootout", "bootstrap"]
    running = Result(0, f"gui/501/{macos.LABEL} = {{\n\tstate = running\n\t\tstate = active\n}}")
    assert service("status", platform="darwin", programs=FakePrograms(print=running)) == 0
    assert service("uninstall", platform="darwin", programs=programs) == 0
    assert not file.exists()
    assert service("status", platform="darwin") == 1


def test_a_folder_of_systemd_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    of_instance = tmp_path / "hw:1"
    of_instance.mkdir()
    assert runtime_folder({"RUNTIME_DIRECTORY": str(of_instance)}) == of_instance
    several = f"{tmp_path / 'first'}:{tmp_path / 'second'}"
    assert places.state_folder({"STATE_DIRECTORY": several}) == tmp_path / "first"
