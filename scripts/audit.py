"""Are there known vulnerabilities in the pinned dependencies? Asks pip-audit, in a virtual environment of its own.

    python scripts/audit.py constraints.txt

Exit code 1 when there are some. Where pip-audit or its database (PyPI's) cannot be reached, that is said, and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

ENVIRONMENT = Path(".venv-audit")
VERSION = "pip-audit==2.10.1"


def main() -> int:
    """Audit and tell."""
    program = ENVIRONMENT / "bin" / "pip-audit"
    if not program.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        pip = [str(ENVIRONMENT / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", VERSION]
        if subprocess.run(pip, check=False, timeout=300).returncode:
            print(f"audit: skipped, {VERSION} cannot be installed")
            return 0
    audit = [
        str(program),
        "--requirement",
        sys.argv[1],
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
        "--timeout",
        "10",
    ]
    done = subprocess.run(audit, check=False, capture_output=True, text=True, timeout=600)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(
            f"audit: skipped, the database cannot be reached: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}"
        )
        return 0
    audited = [package for package in packages if "vulns" in package]
    if not audited:
        print(f"audit: skipped, the database knows none of {len(packages)} packages: it cannot be reached from here")
        return 0
    found = [(package["name"], package["version"], one["id"]) for package in audited for one in package["vulns"]]
    for name, version, identity in found:
        print(f"audit: {name} {version}: {identity}")
    print(f"audit: {len(audited)} of {len(packages)} packages audited, {len(found)} known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
