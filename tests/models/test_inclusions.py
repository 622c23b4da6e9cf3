"""The inclusions benchmark is the one that was written down."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from mscale_uq.models.reference.inclusions import X, Y, forward

from mscale_uq.catalog import load_system

DATA = Path(__file__).parents[2] / "data" / "inclusions"
TRUTH = [10 * np.exp(0.5 * 0.4), np.exp(-0.3 * 0.3), 0.5, np.pi / 6 + 0.3 * 0.6, 0.8]


def test_the_stored_readings_are_those_of_the_benchmark():
    digest = hashlib.sha256((DATA / "potential.csv").read_bytes()).hexdigest()
    assert digest in (DATA / "README.md").read_text()
    table = np.loadtxt(DATA / "potential.csv", delimiter=",", skiprows=1)
    assert table[:, 0] == pytest.approx(X)
    assert table[:, 1] == pytest.approx(Y)
    exact = forward().value(TRUTH)
    sd = 0.02 * np.abs(exact).max()
    assert table[:, 2] == pytest.approx(exact + sd * np.random.default_rng(1).standard_normal(30), abs=1e-9)


def test_the_sensors_are_a_halton_sequence():
    assert X[:4] == pytest.approx([0.05 + 0.9 * h for h in (1 / 2, 1 / 4, 3 / 4, 1 / 8)])
    assert Y[:4] == pytest.approx([0.05 + 0.9 * h for h in (1 / 3, 2 / 3, 1 / 9, 4 / 9)])


def test_sampling_accuracy_moves_no_reading_by_a_thousandth_of_its_noise():
    system, rng = load_system("reference/inclusions"), np.random.default_rng(5)
    exact, fast = system.forward(), system.forward(accuracy="sampling")
    for _ in range(5):
        z = rng.standard_normal(5)
        theta = [10 * np.exp(0.5 * z[0]), np.exp(0.3 * z[1]), z[2], np.pi / 6 + 0.3 * z[3], z[4]]
        readings = exact.value(theta)
        assert np.abs(fast.value(theta) - readings).max() < 1e-3 * 0.0189


def test_the_stored_readings_of_the_graded_benchmark_are_whole():
    folder = DATA.parent / "graded_inclusions"
    text = (folder / "README.md").read_text()
    for name in ("potential.csv", "truth.csv"):
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() in text
    xi = np.loadtxt(folder / "truth.csv", delimiter=",", skiprows=1)[:, 1]
    assert xi == pytest.approx(0.8 * np.random.default_rng(2).standard_normal(25), abs=1e-15)
