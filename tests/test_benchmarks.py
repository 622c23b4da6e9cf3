"""Benchmarks are not run every day: all load; those of cell, square and stiff integrator pass their gates."""

import importlib
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "benchmarks"
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """Benchmarks find each other in their own folder."""
    monkeypatch.syspath_prepend(FOLDER)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("bench_*.py")), ids=lambda path: path.stem)
def test_a_benchmark_loads(path):
    assert importlib.import_module(path.stem).main


def test_contestants_of_cell_and_square_agree_and_have_their_ratios():
    bench = importlib.import_module("bench_kernels")
    found = {**bench.cell_rows(32, 1), **bench.macro_rows(1)}
    assert set(found) == {"scipy", "scikit-fem", "even", "varying"}
    assert all(np.isfinite(ratio).all() for ratio in found.values())


def test_integrators_come_to_one_reference_and_what_misses_it_has_no_figure():
    bench = importlib.import_module("bench_stiff")
    runs = bench.one_round()
    costs = bench.compare([runs])
    assert set(costs) == {"mscale_uq", "LSODA"}
    assert all(np.isfinite(cost).all() for cost in costs.values())
    astray = [(seconds, (1 + 1e-5) * np.array(states)) for seconds, states in runs["LSODA"]]
    with pytest.raises(bench.Gate, match="LSODA ends"):
        bench.compare([{**runs, "LSODA": astray}])
