"""The inclusions benchmark is the one that was written down."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from mscale_uq.models.reference.inclusions import X, Y, forward

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case, load_system
from mscale_uq.core.forward import ForwardModel
from mscale_uq.infer.shear import find_shear
from mscale_uq.stats.surrogate import surrogate_of

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


def slope_error(exact: ForwardModel, fast: ForwardModel, truth, scales, sd):
    """Return the largest error of the gradient of a log-posterior, in its own standard deviations.

    At draws of the normal posterior around the truth: the error of the gradient along each direction of that
    posterior, times its standard deviation there. A step of one standard deviation sees of it an error of
    the log-density of that size.
    """
    worst, rng = 0.0, np.random.default_rng(7)
    whitened = exact.jacobian(truth) * scales / sd
    values, vectors = np.linalg.eigh(whitened.T @ whitened + np.eye(truth.size))
    root = vectors / np.sqrt(values)
    data = exact.value(truth) + sd * rng.standard_normal(len(whitened))
    for z in rng.standard_normal((3, truth.size)):
        theta = truth + scales * (root @ z)
        slopes = []
        for model in (exact, fast):
            readings, linear = model.linearize(theta)
            slopes.append(scales * linear.vjp((data - readings) / sd**2))
        worst = max(worst, np.linalg.norm(root.T @ (slopes[1] - slopes[0])))
    return worst


def test_sampling_accuracy_turns_no_gradient_of_the_posterior():
    system = load_system("reference/inclusions")
    scales = np.array([0.5 * TRUTH[0], 0.3 * TRUTH[1], 1.0, 0.3, 1.0])
    fast = system.forward(accuracy="sampling")
    assert 0 < slope_error(system.forward(), fast, np.array(TRUTH), scales, 0.0189) < 5e-3


def test_nor_one_of_the_graded_posterior():
    system, grids = load_system("reference/graded_inclusions"), {"cell_elements": 32, "elements": 16}
    exact, fast = system.forward(**grids), system.forward(**grids, accuracy="sampling")
    theta = exact.theta(xi=0.8 * np.random.default_rng(2).standard_normal(25))
    scales = exact.theta(
        inclusion_conductivity=5.0, matrix_conductivity=0.3, angle=0.3, aspect_logit=1.0, mean_logit=1.0,
        xi=np.ones(25),
    )  # fmt: skip
    sd = 0.02 * np.abs(exact.value(theta)).max()
    assert 0 < slope_error(exact, fast, theta, scales, sd) < 5e-3


def test_a_surrogate_stands_for_all_cells_of_the_graded_benchmark_and_knows_its_scale():
    """Log-likelihoods are off by less than what moves a draw; coordinates are the exact one's."""
    case = read_case(find_case("graded_inclusions"))
    (experiment,) = (posterior := case.posterior()).experiments
    small = case.system.forward(cell_elements=8, elements=8, nodes=7)
    exact = posterior.changed([experiment.changed(model=small)])
    built = surrogate_of(exact, case.system.stretches, budget=800 * 9)
    assert [part.cells for part in built.parts] == [9]  # at seven nodes, and two of the check
    cheap = built.posterior
    names = [stage.name for stage in cheap.experiments[0].model.chain.stages]
    assert "surrogate of K_graded" in names
    assert "cells of K_graded" not in names
    theta = exact.pack(small.split(small.theta(xi=0.5 * np.sin(np.arange(25)))))
    for there in (theta, theta + 0.05, theta - 0.05):
        assert cheap.log_likelihood(there) == pytest.approx(exact.log_likelihood(there), abs=0.5)
    ours, theirs = (find_shear(one)[0].to_w(np.full(theta.size, 0.3)) for one in (cheap, exact))
    assert ours == pytest.approx(theirs, abs=0.02)
