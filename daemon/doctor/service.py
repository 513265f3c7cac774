"""Is inherentd installed as a service, and does it run?"""

from __future__ import annotations

import os
from collections.abc import Iterator

from inherentd.daemon.doctor.asking import Ask
from inherentd.daemon.doctor.finding import Finding

UNIT = "inherentd.service"
LABEL = "org.inherentd.agent"
INSTALL = "inherentd service install starts it with the session"


def service(platform: str, ask: Ask) -> Iterator[Finding]:
    """Yield how the service is: launchd's under macOS, else systemd's for the user and for the system."""
    if platform == "darwin":
        yield _launchd(ask)
        return
    found = [_systemd(ask, scope) for scope in ("user", "system")]
    installed = [finding for finding in found if finding is not None and finding.text]
    if installed:
        yield from installed
    elif any(finding is not None for finding in found):
        yield Finding("service", "ok", f"not installed; {INSTALL}")
    else:
        yield Finding("service", "unknown", "no systemd to ask")


def _systemd(ask: Ask, scope: str) -> Finding | None:
    """Return how the unit is, with no text where there is none; None where systemd does not answer."""
    answer = ask(["systemctl", f"--{scope}", "show", "-p", "LoadState,ActiveState,UnitFileState,Result", UNIT])
    if answer is None or answer.code:
        return None
    shown = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
    name, active = f"{scope} service", shown.get("ActiveState", "")
    if shown.get("LoadState", "not-found") == "not-found":
        return Finding(name, "ok", "")
    text = f"{UNIT} is {shown.get('UnitFileState') or 'installed'} and {active}"
    flag = "--user " * (scope == "user")
    if active == "failed":
        advice = f"journalctl {flag}-u {UNIT} -e says why; then systemctl {flag}restart {UNIT}"
        return Finding(name, "warning", f"{text} ({shown.get('Result', '')})", advice)
    if active != "active":
        return Finding(name, "warning", text, f"systemctl {flag}enable --now {UNIT}")
    return Finding(name, "ok", text)


def _launchd(ask: Ask) -> Finding:
    answer = ask(["launchctl", "print", f"gui/{os.getuid()}/{LABEL}"])
    if answer is None:
        return Finding("service", "unknown", "no launchctl to ask")
    if answer.code:
        return Finding("service", "ok", f"not installed; {INSTALL}")
    if "state = running" in answer.out:
        return Finding("service", "ok", f"{LABEL} is running")
    advice = f"launchctl kickstart -k gui/{os.getuid()}/{LABEL}; its log says why it stopped"
    return Finding("service", "warning", f"{LABEL} is loaded and does not run", advice)
