"""How soon the page of explain can be used, and how long its frames take while a pointer moves.

Times of the clock count what else the machine does; those of the processor are of the page's main thread alone.

``python -m benchmarks.page`` opens the page of a 64x64 crop in RGB with four kernels in Chromium, several times.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from convtool.explain.page import render
from tests.support.browser import browser
from tests.support.pages import photo

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

FRAMES = """(points) => new Promise((done) => {
  const output = document.querySelector("#output"), input = document.querySelector(".slice .grid"), times = [];
  let at = 0, last = performance.now();
  const move = (host, share) => {
    const box = host.getBoundingClientRect();
    const clientX = box.left + box.width * share, clientY = box.top + box.height * (0.1 + 0.8 * ((share * 7) % 1));
    host.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
  };
  const frame = (now) => {
    if (at) times.push(now - last);
    last = now;
    if (at === points) return done(times);
    move(at % 8 < 6 ? output : input, 0.05 + (0.9 * at) / points);
    at++;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""
WORK = """(points) => {
  const { app } = window.convtool, times = [];
  for (let at = 0; at < points; at++) {
    const begin = performance.now();
    app.moveTo((at * 7) % 64, (at * 13) % 64, "pointermove");
    document.body.offsetHeight;
    times.push(performance.now() - begin);
  }
  return times;
}"""
MARK = """(name) => performance.getEntriesByName(name)[0].startTime
  - performance.getEntriesByType("navigation")[0].responseEnd"""


def main() -> None:
    """Measure and print."""
    text = render(photo("four-views"))
    print(f"page: {len(text.encode()) / 1000:.0f} KB")
    ready, drawn, frames, work, loading, moving = [], [], [], [], [], []
    with TemporaryDirectory() as folder, browser() as chromium:
        path = Path(folder) / "page.html"
        path.write_text(text, encoding="utf-8")
        for _ in range(7):
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.goto(path.as_uri())
            page.wait_for_timeout(500)
            ready.append(float(page.evaluate(MARK, "ready")))
            drawn.append(float(page.evaluate(MARK, "drawn")))
            loading.append(busy(session))
            page.evaluate("document.querySelector('.transport').scrollIntoView()")
            page.wait_for_timeout(500)
            frames += [float(time) for time in page.evaluate(FRAMES, 120)]
            before = busy(session)
            work += [float(time) for time in page.evaluate(WORK, 120)]
            moving.append((busy(session) - before) / 120)
            page.close()
    print(f"interactive after {median(ready):.0f} ms (worst of {len(ready)}: {max(ready):.0f} ms)")
    print(f"all maps drawn after {median(drawn):.0f} ms (worst: {max(drawn):.0f} ms)")
    print(f"processor time of all that: {median(loading):.0f} ms (worst: {max(loading):.0f} ms)")
    print(f"frames while pointing: median {median(frames):.1f} ms, worst of {len(frames)}: {max(frames):.1f} ms")
    print(f"script and layout of one move: median {median(work):.1f} ms, worst of {len(work)}: {max(work):.1f} ms")
    print(f"processor time of one move: {median(moving):.1f} ms")


def busy(session: CDPSession) -> float:
    """Processor time of the main thread so far, in milliseconds."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")


if __name__ == "__main__":
    main()
