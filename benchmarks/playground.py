"""The playground in headless Chromium: steps a second, ratios, the page's longest block, its weight, the first cascade.

The engine, the same arithmetic in plain JavaScript (playground.js) and one core of the library train the network of
Figure 4, in turn, in the same run; JavaScript and engine are checked to give the same loss.

    python benchmarks/playground.py [--rounds 5] [--minutes 0.5]

``--minutes`` is how long the page runs at full speed.
"""

import gzip
import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import browsing
import jax
import playground_site
import setting
from playwright.sync_api import sync_playwright

from dynloss.training import compiled

STEPS = 2000
PREPARE = """async () => {
  const bytes = await (await fetch("engine.wasm")).arrayBuffer();
  const engine = (await WebAssembly.instantiate(bytes)).instance.exports;
  const read = (pointer, size) => new Float64Array(engine.memory.buffer, pointer, size);
  engine.set(5000, 70, 1, 1);
  engine.reset(100, 0);
  const plain = typedArrays(read(engine.points(), 600).slice(), 100, read(engine.weights(), 603).slice(), 5000, 70, 1);
  engine.run(101, 0);
  window.runs = {engine: (steps) => engine.run(steps, 0), plain};
  return [read(engine.losses(), 101)[100], plain(101)];
}"""
TIME = """([name, steps]) => {
  const started = performance.now();
  window.runs[name](steps);
  return (performance.now() - started) / 1000;
}"""
WATCH = """() => {
  window.blocks = [0];
  new PerformanceObserver((list) => window.blocks.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({type: "longtask", buffered: true});
}"""


def library():
    """One network by the library's compiled step, in float64, on one core."""
    _, params, data, schedule = setting.figure4("float64")
    rate = setting.LEARNING_RATE
    run = jax.jit(lambda p: compiled.descend(p, data, schedule, rate, 0, STEPS))
    return lambda: run(params)


def arithmetic(tab, rounds: int) -> None:
    tab.add_script_tag(path=Path(__file__).with_suffix(".js"))
    ours, theirs = tab.evaluate(PREPARE)
    assert abs(ours - theirs) < 1e-9, "JavaScript and engine train different networks"
    own, script = "library, one core, float64", "JavaScript, typed arrays"
    measures = {
        "engine": partial(tab.evaluate, TIME, ["engine", STEPS]),
        script: partial(tab.evaluate, TIME, ["plain", STEPS]),
        own: partial(setting.seconds, library()),
    }
    seconds = setting.in_turn(measures, rounds, lambda measure: measure())
    for name, each in seconds.items():
        print(f"{name}: {STEPS / each:,.0f} steps a second")
    print(f"ratio engine / JavaScript: {seconds[script] / seconds['engine']:.2f}")
    print(f"ratio engine / library: {seconds[own] / seconds['engine']:.2f}")


def number(tab, name: str) -> float:
    return float(tab.text_content(f"[data-value={name}]").replace("\u202f", "").replace("–", "nan"))


def heap(tab) -> float:
    """What the page's own JavaScript holds after a collection, in MB."""
    session = tab.context.new_cdp_session(tab)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return used / 1e6


def longest_task(browser, tab, seconds: float) -> float:
    """Of the page's main thread in this time, in milliseconds of its own processor time."""
    browser.start_tracing(page=tab, categories=["toplevel", "disabled-by-default-devtools.timeline"])
    tab.wait_for_timeout(1000 * seconds)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    main = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [e for e in events if e["name"].endswith("RunTask") and (e["pid"], e["tid"]) in main]
    return max(e.get("tdur", 0) for e in tasks) / 1000


def page(browser, address: str, minutes: float) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(f"{address}/full.html?speed=full")
    tab.wait_for_selector("[data-ready=yes]")
    tab.click("[data-button=play]")
    tab.wait_for_timeout(2000)
    tab.evaluate(WATCH)
    before, first, started = heap(tab), number(tab, "step"), time.perf_counter()
    tab.wait_for_timeout(60_000 * minutes)
    pace = (number(tab, "step") - first) / (time.perf_counter() - started)
    print(f"page, with its pictures and λ_max, for {minutes:g} min: {pace:,.0f} steps a second (asked: at least 5,000)")
    block = max(tab.evaluate("window.blocks"))
    print(f"longest task of the page: {f'{block:.0f} ms' if block else 'none of 50 ms or more'} (asked: at most 50 ms)")
    longest = longest_task(browser, tab, min(5, 60 * minutes))
    print(f"longest task in processor time: {longest:.0f} ms (without what else the machine does)")
    print(f"JavaScript heap, after collection: {before:.1f} MB at first, {heap(tab):.1f} MB at the end")
    tab.close()


def first_cascade(browser, address: str) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(f"{address}/small.html")
    tab.wait_for_selector("[data-ready=yes]")
    started = time.perf_counter()
    tab.click("[data-button=play]")
    tab.wait_for_function("document.querySelector('[data-value=cascades]').textContent === '1'", timeout=60_000)
    print(f"first cascade of Figure 4's case: {time.perf_counter() - started:.1f} s after the click (asked: within 10)")
    tab.close()


def weight(folder: Path) -> None:
    files = [folder / name for name in ("playground.js", "playground.css", "engine.wasm")]
    plain, packed = (sum(len(f(path.read_bytes())) for path in files) for f in (bytes, gzip.compress))
    print(f"weight: {plain / 1000:.0f} kB, compressed {packed / 1000:.0f} kB (asked: at most 300)")


def main():
    options = setting.arguments(__doc__, {"rounds": 1, "minutes": 0.01}, rounds=5, minutes=0.5)
    if not browsing.executable():
        sys.exit("playground needs Chromium, and finds none")
    jax.config.update("jax_enable_x64", True)
    # One core for the library: before JAX starts its threads. What is started later gets all of them again.
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    setting.seconds(library())
    os.sched_setaffinity(0, cores)
    print(f"{setting.machine()}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = playground_site.make(Path(made))
        with browsing.serving(folder) as address:
            browser = browsing.launched(playwright.chromium)
            print(f"Chromium {browser.version}, headless")
            tab = browser.new_page()
            tab.goto(f"{address}/small.html")
            arithmetic(tab, options.rounds)
            tab.close()
            first_cascade(browser, address)
            page(browser, address, options.minutes)
            browser.close()
        weight(folder)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
