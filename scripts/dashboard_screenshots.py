"""The pictures of docs/dashboard.md: a real daemon that hears the demo's clips, a real dashboard, headless Chromium.

python -m scripts.dashboard_screenshots docs
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.dashboard.running import PROGRAM, Dashboard, browser, wait_until

from inherentd.daemon.demo.clips import BUNDLED, load_clips
from inherentd.daemon.demo.processes import free_endpoint
from inherentd.daemon.demo.stream import concatenate, write_wav

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
UTTERANCES_BEFORE = 3
TIMES = 3  # that the clips are played, for a slow machine
PATIENCE_SECONDS = 120


def main() -> None:
    """Write dashboard-{desktop,phone}-{light,dark}.png, each while an utterance is open."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="inherentd") as folder:
        os.environ["XDG_RUNTIME_DIR"] = os.environ["XDG_STATE_HOME"] = folder
        recording, endpoint = Path(folder) / "demo.wav", free_endpoint()
        write_wav(recording, np.tile(concatenate(load_clips(BUNDLED))[0], TIMES))
        settings = ["publish.scores_per_second=50", f"publish.endpoint={endpoint}", "publish.device=kitchen"]
        options = [option for setting in settings for option in ("--set", setting)]
        daemon = subprocess.Popen([*PROGRAM, "run", "--input", str(recording), "--set", "log.level=warning", *options])
        dashboard = Dashboard(endpoint)
        try:
            shoot(dashboard.url, out)
        finally:
            dashboard.close()
            daemon.terminate()
            daemon.wait()


def shoot(url: str, out: Path) -> None:
    """Open the page in each size and scheme, and take it when there is something to see."""
    with browser() as chromium:
        for name, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                page = context.new_page()
                page.goto(url)
                listed = page.locator("#utterance-list > li")
                wait_until(lambda listed=listed: listed.count() >= UTTERANCES_BEFORE, PATIENCE_SECONDS)
                picture = Image.open(BytesIO(while_open(page))).convert("RGB")
                # A third of the size, and to the eye the same.
                picture.quantize(256).save(out / f"dashboard-{name}-{scheme}.png", optimize=True)
                context.close()


def while_open(page: Any) -> bytes:
    """Return a picture of the page with an utterance that is open, before and after it was taken."""
    shot = b""
    while not (shot and page.is_visible("#open-utterance")):
        page.wait_for_selector("#open-utterance:visible", timeout=1000 * PATIENCE_SECONDS)
        shot = page.screenshot()
    return shot


if __name__ == "__main__":
    main()
