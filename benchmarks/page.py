"""How soon the page of explain can be used, and how long its frames take while a pointer moves.

``python -m benchmarks.page`` opens the page of a 64x64 crop in RGB with four kernels in Chromium, several times.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from convtool.explain.page import render
from tests.browser import browser
from tests.pages import photo

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
READY = "performance.getEntriesByName('ready')[0].startTime - performance.getEntriesByType('navigation')[0].responseEnd"


def main() -> None:
    """Measure and print."""
    text = render(photo("four-views"))
    print(f"page: {len(text.encode()) / 1000:.0f} KB")
    ready, frames, work = [], [], []
    with TemporaryDirectory() as folder, browser() as chromium:
        path = Path(folder) / "page.html"
        path.write_text(text, encoding="utf-8")
        for _ in range(7):
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri())
            ready.append(float(page.evaluate(READY)))
            page.evaluate("document.querySelector('.transport').scrollIntoView()")
            page.wait_for_timeout(500)
            frames += [float(time) for time in page.evaluate(FRAMES, 120)]
            work += [float(time) for time in page.evaluate(WORK, 120)]
            page.close()
    print(f"interactive after {median(ready):.0f} ms (worst of {len(ready)}: {max(ready):.0f} ms)")
    print(f"frames while pointing: median {median(frames):.1f} ms, worst of {len(frames)}: {max(frames):.1f} ms")
    print(f"script and layout of one move: median {median(work):.1f} ms, worst of {len(work)}: {max(work):.1f} ms")


if __name__ == "__main__":
    main()
