"""Readings at a few places in time are a curve for each place; others are what the prediction leaves."""

import numpy as np
import pytest

from mscale_uq.report import figures
from mscale_uq.report.band import Band
from mscale_uq.report.content import Measured
from mscale_uq.report.figures import Axis

RNG = np.random.default_rng(3)
DETECTORS, MINUTES = (500.0, 1500.0, 2500.0), np.arange(1.0, 41.0)
SHUFFLED = RNG.permutation(120)
PLACE, TIME = (grid.ravel()[SHUFFLED] for grid in np.meshgrid(DETECTORS, MINUTES))


def read(places):
    rows = len(next(iter(places.values()))[0])
    observed = np.arange(rows, dtype=float)
    band = Band(RNG.normal(observed, 1.0, (50, rows)), np.tile(observed, (2, 1)), observed, 0 * observed)
    return Measured("road", "speed", "km/h", "", places, band)


ROAD = read({"x": (PLACE, "m"), "time": (TIME, "min")})


def test_each_detector_has_its_own_readings_in_time():
    along, rows = ROAD.series
    assert along == "time"
    assert [ROAD.place(some[0], ["x"]) for some in rows] == ["x 500 m", "x 1500 m", "x 2500 m"]
    for detector, some in zip(DETECTORS, rows, strict=True):
        assert set(PLACE[some]) == {detector}
        assert sorted(TIME[some]) == list(MINUTES)


def test_a_panel_shows_the_readings_of_its_detector_alone():
    _, rows = ROAD.series
    figure = figures.new_stack(3)
    series = [(str(number), some, ROAD.band.of(some)) for number, some in enumerate(rows)]
    axis = Axis("time", "min", 0)
    figures.profiles(figure, TIME, axis, Axis("speed", "km/h", 0), series)
    for detector, panel in zip(DETECTORS, figure.axes, strict=True):
        (dots,) = (line for line in panel.lines if line.get_label() == "measured")
        shown = dict(zip(dots.get_xdata(), dots.get_ydata(), strict=True))
        mine = detector == PLACE
        assert shown == dict(zip(TIME[mine], ROAD.band.observed[mine], strict=True))


@pytest.mark.parametrize(
    "places",
    [
        {"time": (TIME, "min")},
        {"x": (RNG.random(120), "m"), "y": (RNG.random(120), "m")},
        {"x": (np.repeat([1.0, 2.0], 3), "m"), "time": (np.tile([1.0, 2.0, 3.0], 2), "min")},
    ],
    ids=["one coordinate", "scattered", "too few for lines"],
)
def test_what_has_no_such_order_is_no_series(places):
    assert read(places).series is None
