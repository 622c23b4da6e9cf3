"""Benchmarks are not run every day: all load; those of cell, square and stiff integrator pass their gates."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings

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
    assert set(found) == {"scipy", "scipy, symmetric", "scikit-fem", "even", "varying"}
    assert all(np.isfinite(ratio).all() for ratio in found.values())


def test_a_program_whose_cell_is_off_in_the_fifth_digit_is_not_timed():
    bench = importlib.import_module("bench_jax")
    K, dK = bench.ours(32)
    bench.gate(32, {"JAX": [K.tolist(), dK.tolist()]})
    with pytest.raises(SystemExit, match="tensor, JAX"):
        bench.gate(32, {"JAX": [((1 + 1e-5) * K).tolist(), dK.tolist()]})
    with pytest.raises(SystemExit, match="derivative, JAX"):
        bench.gate(32, {"JAX": [K.tolist(), (1.01 * dK).tolist()]})


def test_integrators_come_to_one_reference_and_what_misses_it_has_no_figure():
    bench = importlib.import_module("bench_stiff")
    runs = bench.one_round()
    costs = bench.compare([runs])
    assert set(costs) == {"mscale_uq", "LSODA"}
    assert all(np.isfinite(cost).all() for cost in costs.values())
    astray = [(seconds, (1 + 1e-5) * np.array(states)) for seconds, states in runs["LSODA"]]
    with pytest.raises(bench.Gate, match="LSODA ends"):
        bench.compare([{**runs, "LSODA": astray}])


def test_what_a_sampler_adds_has_a_figure_only_where_it_finds_the_line(monkeypatch):
    bench = importlib.import_module("bench_overhead")
    known = bench.exact()
    settings = bench.Settings(draws=300, tune=200, chains=2, cores=0, seed=7)
    assert 0 < bench.inside(bench.Line(), settings, 0.0) < 0.1
    shifted = replace(known, values=known.values + 0.3 * known.values[1])
    monkeypatch.setattr(bench, "exact", lambda: shifted)
    with pytest.raises(SystemExit, match="standard errors off"):
        bench.inside(bench.Line(), settings, 0.0)


def test_the_samplers_gate_refuses_a_bias_of_a_tenth_of_a_standard_deviation():
    reference = importlib.import_module("reference_posterior")
    rng = np.random.default_rng(0)
    sds = np.array([0.74, 0.54, 0.4])
    known, draws = (sds * rng.standard_normal((4, 4000, 3)) for _ in range(2))
    known, bias = reference.moments(known), np.array([0.0, 0.1, 0.0]) * sds
    assert known.values[1] == pytest.approx(sds, rel=0.03)
    assert reference.moments(draws).verdict(known).startswith("agree")
    assert reference.moments(draws).resolution(known) < 0.1
    assert reference.moments(draws + bias).verdict(known).startswith("OFF")
    assert reference.moments(0.9 * draws).verdict(known).startswith("OFF")
    unknown = replace(known, values=np.full_like(known.values, np.nan), ess=np.nan)  # a peer without draws
    assert unknown.verdict(known).startswith("OFF")


def test_the_stored_moments_are_of_the_shipped_case_and_of_no_other(tmp_path, monkeypatch):
    reference = importlib.import_module("reference_posterior")
    stored = reference.stored()
    assert (stored.errors / stored.values[1] < 0.02).all()
    changed = tmp_path / "moments.json"
    changed.write_text(reference.FILE.read_text().replace('"draws": 3000', '"draws": 3001'))
    monkeypatch.setattr(reference, "FILE", changed)
    with pytest.raises(ValueError, match="another case"):
        reference.stored()


def test_effective_coordinates_take_fewer_steps_than_plain_ones_by_a_factor_of_1_7():
    """Counted, where matrix and fraction of the film are unknown too: 5.5 and 12.3 steps a draw."""
    posterior = importlib.import_module("bench_coordinates").posterior_of(
        "biofilm_layers, matrix and fraction unknown"
    )
    settings = Settings(draws=100, tune=150, chains=1, cores=0, seed=11)
    effective, plain = (
        sample(posterior, replace(settings, coordinates=one)).stats["n_steps"].mean()
        for one in ("effective", "plain")
    )
    assert effective < plain / 1.7
