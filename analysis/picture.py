"""The picture in the README: the report of the quickstart in a headless Chromium.

Usage: python analysis/picture.py   (needs Debian's package chromium; writes analysis/report.png)
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from splitsim import load_scenario, run
from splitsim.report.page import write_report

ROOT = Path(__file__).parent.parent
QUIET = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=10000"
)


def main() -> None:
    """Simulate, write the report, look at it."""
    with tempfile.TemporaryDirectory() as name:
        results = run(load_scenario(ROOT / "scenarios" / "quickstart.yaml"), Path(name) / "out")
        page = write_report(results)
        picture = ROOT / "analysis" / "report.png"
        places = (f"--user-data-dir={name}/chromium", f"--screenshot={picture}")
        size = "--window-size=1200,1560"
        subprocess.run(["chromium", *QUIET.split(), *places, size, page.as_uri()], check=True)


if __name__ == "__main__":
    main()
