"""What the data could say, against conjugate algebra and quadrature; the curved ridge of one filled specimen.

A square array of disks has an exact effective conductivity (Rayleigh's multipoles), so that these numbers owe
nothing to our own cell solver.
"""

from math import comb
from pathlib import Path

import numpy as np
import pytest

from mscale_uq.case.read import read_case
from mscale_uq.cell.layered import LayeredCell
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.diagnose.identifiability import identifiability
from mscale_uq.diagnose.identifiability_text import lines
from mscale_uq.diagnose.local_information import bend, local_information
from mscale_uq.diagnose.moved import move_all
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment, Fixed, Shared
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal

CASES = Path(__file__).parents[2] / "models" / "transport"
ORDERS = np.arange(1, 31, 2)
N = np.arange(-20, 21)
Z = (N[:, None] + 1j * N).ravel()
Z = Z[Z != 0]
# Sums of z^-l over a square lattice; the first two converge conditionally or slowly, and are published.
SUMS = {2: np.pi, 4: 3.1512120} | {int(order): np.sum(Z ** -float(order)).real for order in range(6, 62, 2)}
COUPLING = np.array([[comb(m + n - 1, n) * SUMS[n + m] for m in ORDERS] for n in ORDERS], dtype=float)


def disks(k_m, k_i, f):
    """Effective conductivity of a square array; analytic in all arguments."""
    contrast = (k_m - k_i) / (k_m + k_i)
    strength = contrast * (f / np.pi) ** ORDERS
    first = np.eye(ORDERS.size)[0]
    return k_m * (
        1
        - 2 * np.pi * np.linalg.solve(np.eye(ORDERS.size) + strength[:, None] * COUPLING, strength * first)[0]
    )


class DiskArray(Stage):
    name, inputs, outputs = "disk array", ("k_m", "k_i", "f"), ("K_eff",)

    def value(self, values):
        return {"K_eff": np.asarray(disks(*(float(values[name]) for name in self.inputs)))}

    def linearize(self, values):
        at = [complex(values[name]) for name in self.inputs]
        slopes = {}
        for i, name in enumerate(self.inputs):
            moved = [x + (1e-40j if i == j else 0) for j, x in enumerate(at)]
            slopes["K_eff", name] = np.asarray(np.imag(disks(*moved)) / 1e-40)
        shapes = dict.fromkeys(self.inputs, ())
        return self.value(values), MatrixLinearization(slopes, shapes, {"K_eff": ()})


PHASES = (
    Parameter("k_m", "W/(m K)", 0.2, lower=0),
    Parameter("k_i", "W/(m K)", 4.0, lower=0),
    Parameter("f", "1", 0.4, lower=0, upper=np.pi / 4),
)


TRUTH = np.array([0.2, 4.0])
# The priors of one specimen's published widths: sd 0.5 and 1.0 in the logarithms, around the truth.
SPREAD = np.array([0.5, 1.0])
PRIORS = {"k_m": LogNormal(np.log(0.2), 0.5), "k_i": LogNormal(np.log(4.0), 1.0)}
HOT_PLATE = Gaussian(0.0, relative=0.03)


def specimen(f):
    model = ForwardModel([DiskArray()], PHASES, ["K_eff"])
    reading = {"K_eff": model.trace(model.theta(f=f))["K_eff"]}
    operators = {"K_eff": ObservationOperator("K_eff", HOT_PLATE)}
    return Experiment(f"{f:.0%} filler", model, reading, operators, {"f": Fixed(f)})


def laminate():
    stack = LayeredCell([0.5], ["k_i", "k_m"], across="K_across", along="K_along")
    model = ForwardModel([stack], PHASES[:2], ["K_across", "K_along"])
    known = model.trace(model.theta())
    operators = {name: ObservationOperator(name, HOT_PLATE) for name in model.outputs}
    return Experiment("laminate", model, {name: known[name] for name in model.outputs}, operators)


def posterior(*experiments):
    return Posterior(PRIORS, experiments)


def exact_widths(target, reach=4.0):
    """Posterior sds of ln k_m and ln k_i by quadrature over a grid in the logarithms."""
    axes = [np.linspace(-reach * s, reach * s, n) for s, n in zip(SPREAD, (121, 61), strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2) + np.log(TRUTH)
    # In the logarithms the density gains the Jacobian k_m k_i.
    density = np.array([target.logpdf(np.exp(point)) + point.sum() for point in grid])
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    return np.sqrt(weight @ (grid - weight @ grid) ** 2)


def test_the_array_of_disks_is_the_published_one():
    assert disks(1.0, 10.0, 0.3) == pytest.approx(1.652036, abs=1e-6)
    assert disks(1.0, 10.0, 0.5) == pytest.approx(2.415467, abs=1e-6)


def test_one_specimen_is_a_curved_ridge_that_local_widths_misjudge():
    target = posterior(specimen(0.4))
    local = local_information(target, TRUTH)
    assert local.kept * SPREAD == pytest.approx([0.097, 0.98], abs=0.005)
    assert exact_widths(target) == pytest.approx([0.146, 0.95], abs=0.005)
    assert bend(target, local, move_all(target, TRUTH)) > 1


def test_a_laminate_along_and_across_is_straight_and_local_widths_are_right():
    target = posterior(laminate())
    local = local_information(target, TRUTH)
    assert local.kept * SPREAD == pytest.approx([0.032, 0.032], abs=0.001)
    fine = exact_widths(target, reach=0.25)
    assert fine == pytest.approx(local.kept * SPREAD, rel=0.02)
    assert bend(target, local, move_all(target, TRUTH)) < 0.1


def test_three_specimens_tell_filler_and_matrix_apart():
    target = posterior(*(specimen(f) for f in (0.2, 0.4, 0.6)))
    local = local_information(target, TRUTH)
    assert local.kept[1] * SPREAD[1] == pytest.approx(0.26, abs=0.005)
    assert bend(target, local, move_all(target, TRUTH)) < 1


def test_a_ridge_is_announced_and_everything_local_says_so():
    text = lines(identifiability(posterior(specimen(0.4)), np.random.default_rng(0)))
    assert any(line.startswith("CURVED") for line in text)
    tables = [line for line in text if "sd" in line and not line.startswith(("  ", "CURVED"))]
    assert all("local" in line for line in tables)


def test_what_enters_through_one_quantity_only_is_said_with_a_remedy():
    found = identifiability(posterior(specimen(0.4)), np.random.default_rng(0), draws=5)
    (passage,) = found.passages
    assert (passage.quantity, passage.unknowns, passage.rank) == ("K_eff", ("k_m", "k_i"), 1)
    assert passage.remedies[0].parameter == "f"
    sentence = "k_m and k_i enter only through K_eff, which fixes 1 combination of the 2"
    assert any(sentence in line and "add a specimen with another f " in line for line in lines(found))


def test_the_free_direction_leaves_the_effective_conductivity_as_it_is():
    found = identifiability(posterior(specimen(0.4)), np.random.default_rng(0), draws=2)
    direction = found.passages[0].free[:, 0] * SPREAD
    moved = [disks(*TRUTH * np.exp(1e-4 * side * direction), 0.4) for side in (1, -1)]
    assert abs(np.log(moved[0] / moved[1])) < 1e-7
    assert abs(np.log(disks(*TRUTH * np.exp([1e-4, 0.0]), 0.4) / disks(*TRUTH, 0.4))) > 1e-5


def test_a_remedy_keeps_what_it_promises():
    found = identifiability(posterior(specimen(0.4)), np.random.default_rng(0), draws=2)
    remedy = found.passages[0].remedies[0]
    both = local_information(posterior(specimen(0.4), specimen(remedy.other)), TRUTH)
    assert remedy.kept == pytest.approx(both.kept, rel=1e-10)


def test_an_unknown_share_of_filler_trades_off_with_the_filler():
    one = specimen(0.4)
    # The prior of a share that was measured by microscope reaches, formally, above all limits.
    phases = (*PHASES[:2], Parameter("f", "1", 0.4, lower=0))
    model = ForwardModel([DiskArray()], phases, ["K_eff"])
    bindings = {"k_m": Fixed(0.2), "f": Shared("share")}
    experiment = Experiment("unknown share", model, one.observed, one.operators, bindings)
    priors = {"k_i": PRIORS["k_i"], "share": LogNormal(np.log(0.4), 0.02)}
    found = identifiability(Posterior(priors, [experiment]), np.random.default_rng(0), draws=3)
    (passage,) = found.passages
    assert passage.unknowns == ("k_i", "share")
    assert {"f", "k_m"} <= {remedy.parameter for remedy in passage.remedies}


def test_three_specimens_leave_nothing_to_remedy():
    target = posterior(*(specimen(f) for f in (0.2, 0.4, 0.6)))
    assert identifiability(target, np.random.default_rng(0), draws=5).passages == ()


def test_the_shipped_plates_need_their_three_fillings():
    whole = read_case(CASES / "heat_conduction.toml").posterior()
    assert identifiability(whole, np.random.default_rng(0), draws=2).passages == ()
    alone = Posterior(whole.priors, whole.experiments[1:2])
    (passage,) = identifiability(alone, np.random.default_rng(0), draws=2).passages
    assert passage.quantity == "K_eff"
    assert passage.unknowns == ("matrix_conductivity", "filler_conductivity")
    assert passage.remedies[0].parameter == "filler_fraction"
