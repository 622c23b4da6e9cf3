"""What the live page draws and tells, measured in a real browser: pixels, written words, and the lag."""

import numpy as np
import pytest
from live_runs import (
    BLUE,
    INK,
    ORANGE,
    PURPLE,
    Run,
    address,
    dish,
    painted,
    painted_at_once,
    pixels,
    readings,
    served,
    shrunk,
    wait_for,
)
from scipy.stats import norm

from mscale_uq.stream.policy import Policy
from mscale_uq.stream.view import View

PANELS = {"inflow": 0, "x": 3, "y": 4}
BAND_ALPHA = 51  # of 255: a fifth
KEEP_WORDS = """
    window.written = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (words, x, y) {
        const panel = mscale.panels.findIndex((one) => one.canvas === this.canvas);
        written.push([mscale.panels[panel].panel.title, this.fillStyle, words, x]);
        write.call(this, words, x, y);
    };
"""


@pytest.mark.slow
def test_estimates_readings_and_snapshots_are_drawn_on_a_wall_screen_and_on_a_phone(page, tmp_path):
    run = Run(tmp_path)
    run.feed(*readings(0, 40))
    with served(tmp_path) as port:
        for width, height in ((1920, 1080), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            page.goto(address(port))
            wait_for(page, "mscale.times.length === 40 && mscale.records !== null")
            page.wait_for_timeout(200)
            inflow, amount, x = 0, 1, 3
            for panel in (inflow, amount, x):
                assert pixels(page, panel, BLUE) > 100
            assert pixels(page, amount, INK) > 100  # readings
            assert pixels(page, amount, ORANGE) > 3  # the one far off
            assert pixels(page, inflow, ORANGE) > 30  # the expected number
            assert pixels(page, x, PURPLE) == 0
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        run.feed(dish(12.25))
        wait_for(page, "mscale.times.length === 41")
        page.wait_for_timeout(200)
        for panel in (inflow, amount, x):
            assert pixels(page, panel, PURPLE) > 30
    run.journal.close()


@pytest.mark.slow
def test_innovations_lie_at_the_foot_in_their_deviations_beside_the_band_of_95_percent(page, tmp_path):
    run = Run(tmp_path)
    run.feed(*readings(0, 12))
    with served(tmp_path) as port, View(tmp_path) as view:
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 12 && mscale.records !== null")
        page.wait_for_timeout(200)
        rows = [change.row for change in view.steps()]
        band, far, near = painted_at_once(page, 1, (BLUE, BAND_ALPHA), (ORANGE, 255), (BLUE, 255))
    foot = np.split(levels := np.unique(band[:, 0]), np.flatnonzero(np.diff(levels) > 5) + 1)[-1]
    left, right = np.quantile(band[np.isin(band[:, 0], foot), 1], [0, 1])
    unit = (foot[-1] - foot[0] + 1) / (2 * norm.ppf(0.975))
    assert unit > 5
    for row in rows:
        sd = row["innovation"][0] / row["innovation_sd"][0]
        across = (row["time"] - 0.5) / (6.0 - 0.5)
        there = [(foot[0] + foot[-1]) / 2 - np.clip(sd, -4, 4) * unit, left + across * (right - left)]
        coloured = far if abs(sd) > norm.ppf(0.975) else near
        dot = coloured[np.all(np.abs(coloured - there) < 4, axis=1)]
        assert len(dot) > 3
        assert dot.mean(axis=0) == pytest.approx(there, abs=1.2)
    assert abs(rows[10]["innovation"][0]) > 4 * rows[10]["innovation_sd"][0]  # drawn at the edge
    run.journal.close()


@pytest.mark.slow
def test_at_its_mark_a_snapshot_says_by_how_much_it_made_each_spread_smaller(page, tmp_path):
    page.add_init_script(KEEP_WORDS)
    run = Run(tmp_path)
    run.feed(*readings(0, 6), dish(2.25, 3.0))
    with served(tmp_path) as port:
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 7 && mscale.records !== null")
        page.evaluate("written.length = 0; draw()")
        page.wait_for_timeout(200)
        purple = "#" + bytes(PURPLE).hex()
        said = {title: (words, x) for title, ink, words, x in page.evaluate("written") if ink == purple}
        marks = {name: np.median(painted(page, k, PURPLE)[:, 1]) for name, k in PANELS.items()}
    less = 100 * (1 - shrunk(readings(0, 4), dish(2.25, 3.0)))
    assert less[1] > 50
    assert {name: words for name, (words, _) in said.items()} == {
        name: f"−{one:.0f} %" if one >= 0.5 else "< 1 %"
        for name, one in zip(("x", "y", "inflow"), less, strict=True)
    }
    for name, (_, x) in said.items():
        assert x == pytest.approx(marks[name], abs=3)
    run.journal.close()


@pytest.mark.slow
def test_the_page_tells_how_far_the_run_is_behind_the_newest_record_of_two_senders(page, tmp_path):
    """With 2 h of order, the probe at 5 h and a dish at 6.5 h reach 3 h: 2.5 h is the last before it."""
    run = Run(tmp_path, policy=Policy(window=2.0))
    run.take(*readings(0, 10), dish(6.5))
    said = "[...document.getElementById('lag').childNodes].map((one) => one.textContent)"
    with served(tmp_path) as port:
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 5 && mscale.records !== null")
        assert page.evaluate("mscale.records.lag") == 6.5 - 2.5
        assert page.evaluate(said) == ["4", "h", "6 waiting for others"]
        run.follower.settle()
        wait_for(page, "mscale.times.length === 11 && mscale.records.lag === 0")
        assert page.evaluate(said) == ["0", "h", "\u00a0"]
    run.journal.close()
