"""Pictures of pages and figures, by a headless Chromium (Debian's package chromium).

Usage: python analysis/picture.py   (the picture in the README, analysis/report.png: the report of
the quickstart)
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import plotly.graph_objects as go

from splitsim import load_scenario, run
from splitsim.report.page import write_report

ROOT = Path(__file__).parent.parent
QUIET = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=10000"
)


def photograph(page: Path, picture: Path, width: int, height: int) -> None:
    """Look at a page and write what is seen as a PNG."""
    with tempfile.TemporaryDirectory() as name:
        places = (f"--user-data-dir={name}", f"--screenshot={picture}")
        size = f"--window-size={width},{height}"
        subprocess.run(["chromium", *QUIET.split(), *places, size, page.as_uri()], check=True)


def photograph_figure(figure: go.Figure, picture: Path) -> None:
    """Write a figure, which says its width and height, as a PNG."""
    with tempfile.TemporaryDirectory() as name:
        page = Path(name) / "figure.html"
        figure.write_html(page, config={"displayModeBar": False})
        photograph(page, picture, figure.layout.width + 20, figure.layout.height + 20)


def main() -> None:
    """Simulate, write the report, look at it."""
    with tempfile.TemporaryDirectory() as name:
        results = run(load_scenario(ROOT / "scenarios" / "quickstart.yaml"), Path(name) / "out")
        photograph(write_report(results), ROOT / "analysis" / "report.png", 1200, 1560)


if __name__ == "__main__":
    main()
