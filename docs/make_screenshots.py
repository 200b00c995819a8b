"""Make the screenshots of the page of explain, in Chromium: part of ``make pictures``."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from convtool.explain.model import Explanation  # noqa: E402
from convtool.explain.page import render  # noqa: E402
from tests.support.browser import browser  # noqa: E402
from tests.support.pages import demo, photo  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
LARGEST = 150_000
"""Bytes of one screenshot."""


class Shot(NamedTuple):
    """One screenshot: what of, how wide, in which colours and language, and the part of the page."""

    name: str
    told: Explanation
    width: int
    height: int
    scheme: Literal["light", "dark"]
    lang: str
    part: str = "#stage"


def main() -> None:
    """Make every screenshot."""
    grey, layer, scene = demo("8x8"), demo("rgb"), photo("four-views")
    shots = [
        Shot("explain-8x8", grey, 1280, 1000, "light", "en"),
        Shot("explain-rgb-dark", layer, 1280, 1560, "dark", "en"),
        Shot("explain-photo", scene, 1280, 1500, "light", "en", "#maps-title"),
        Shot("explain-photo-dark", scene, 1280, 980, "dark", "en"),
        Shot("explain-8x8-narrow-zh", grey, 390, 1400, "light", "zh", "body"),
        Shot("explain-photo-narrow-dark", scene, 390, 1400, "dark", "en", ".transport"),
    ]
    with TemporaryDirectory() as folder, browser() as chromium:
        for shot in shots:
            file = Path(folder) / "page.html"
            file.write_text(render(shot.told, shot.lang), encoding="utf-8")
            page = chromium.new_page(
                viewport={"width": shot.width, "height": shot.height}, color_scheme=shot.scheme, device_scale_factor=1
            )
            page.goto(file.as_uri())
            page.evaluate("(part) => document.querySelector(part).scrollIntoView()", shot.part)
            page.wait_for_timeout(300)
            image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            page.close()
            write(image, PICTURES / f"{shot.name}.png")


def write(image: Image.Image, path: Path) -> None:
    """Save with a palette: type and flat colours stay crisp, and the file small."""
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
