"""A headless Chromium for the tests of the page, and what they share.

Without Chromium (or axe-core) these tests are skipped and say why; with CONVTOOL_REQUIRE_BROWSER=1 they fail instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
AXE = Path(os.environ.get("CONVTOOL_AXE", ROOT / ".ci" / "node" / "node_modules" / "axe-core" / "axe.min.js"))
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def missing(what: str) -> None:
    """Skip, or fail where a browser is asked for."""
    if os.environ.get("CONVTOOL_REQUIRE_BROWSER") == "1":
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium (or CONVTOOL_CHROMIUM), driven by Playwright."""
    path = os.environ.get("CONVTOOL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("no chromium found: apt-get install chromium, or name it in CONVTOOL_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield opened
        finally:
            opened.close()


class Opened:
    """A page with what it complained about and what it asked for."""

    def __init__(self, browser: Browser, path: Path, text: str, **context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        path.write_text(text, encoding="utf-8")
        self._context = browser.new_context(**context)
        self.page: Page = self._context.new_page()
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        assert self.page.evaluate("document.documentElement.dataset.ready") == "yes", self.complaints

    def close(self) -> None:
        """Close; nothing may have been complained about, nothing but the file itself asked for."""
        self._context.close()
        assert self.complaints == []
        outside = [url for url in self.requests if not url.startswith(("data:", "blob:"))]
        assert len(outside) == 1
        assert outside[0].startswith("file:")


@contextmanager
def opened(browser: Browser, path: Path, text: str, **context: Any) -> Iterator[Opened]:
    """A page from a file, closed and judged at the end."""
    made = Opened(browser, path, text, **context)
    yield made
    made.close()
