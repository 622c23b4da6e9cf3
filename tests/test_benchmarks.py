"""Benchmarks are not run every day: all of them load, and those of cell and square pass their gates."""

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
