"""Polynomials in the place of dear stretches of a model."""

import numpy as np
import pytest

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import Stage
from mscale_uq.core.stretch import Stretch
from mscale_uq.core.system import Scale
from mscale_uq.errors import InputError, OutOfLimits, SolveFailed, WiringError
from mscale_uq.infer.workers import workers
from mscale_uq.observe.laws import Gaussian
from mscale_uq.solve.product_polynomial import Axis
from mscale_uq.stats.effective import effective_logs
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.flat import FlatPosterior, flattened
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal, Normal
from mscale_uq.stats.stretch_coordinates import StretchCoordinates
from mscale_uq.stats.surrogate import _summary, surrogate_of
from mscale_uq.stats.surrogate_nodes import choose_nodes, fewest

X = np.linspace(0.1, 0.9, 5)


class Laminate(Stage):
    """Two layers under an angle: tensor of an arithmetic and a harmonic mean, turned. Counts its runs."""

    name = "laminate"
    inputs = ("k1", "k2", "share_logit", "angle")
    outputs = ("K",)
    runs = 0

    def value(self, values):
        Laminate.runs += 1
        share = 1 / (1 + np.exp(-values["share_logit"]))
        along = share * values["k1"] + (1 - share) * values["k2"]
        across = 1 / (share / values["k1"] + (1 - share) / values["k2"])
        c, s = np.cos(values["angle"]), np.sin(values["angle"])
        turn = np.array([[c, -s], [s, c]])
        return {"K": turn @ np.diag([along, across]) @ turn.T}


class Eleven(Laminate):
    cell_problems = 11


class Failing(Laminate):
    def value(self, values):
        if values["k1"] > 2 * values["k2"]:
            raise SolveFailed("laminate", values, "too much contrast")
        return super().value(values)


def flux_of(K):
    """A quantity of degree -1 in a tensor."""
    return (1 + X * K[0, 1] / K[0, 0] + X**2 * K[1, 1] / K[0, 0]) / (K[0, 0] + 0.5 * K[1, 1])


PARAMETERS = [Parameter(name, "1", 1.0) for name in Laminate.inputs]
PRIORS = {
    "k1": LogNormal(1.0, 0.5),
    "k2": LogNormal(0.0, 0.3),
    "share_logit": Normal(0.0, 1.0),
    "angle": Normal(0.5, 0.3),
}
TO_TENSOR = Stretch("K", scaled=("k2", "k1"), periods={"angle": np.pi}, logit=("share_logit",))
SCALE = Scale("k2", "K", along=("k1",))
TO_FLUX = Stretch("flux", scaled=("K",), degree=-1)


def laminate(stage=Laminate, factor=1.0):
    def flux(K):
        return factor * flux_of(K)

    model = ForwardModel([stage(), Formula(flux, "flux")], PARAMETERS, ["flux"])
    sensor = {"flux": ObservationOperator("flux", Gaussian(0.05))}
    return Posterior(PRIORS, [Experiment("plate", model, {"flux": np.full(5, 0.4)}, sensor)])


def states(posterior, count, seed):
    rng = np.random.default_rng(seed)
    model = posterior.experiments[0].model
    return [model.split(posterior.sample_prior(rng)) for _ in range(count)]


def errors_at(posterior, cheap, name, count=200, seed=77):
    exact, other = posterior.experiments[0].model, cheap.experiments[0].model
    found = []
    for state in states(posterior, count, seed):
        theta = exact.pack(state)
        a, b = exact.trace(theta)[name], other.trace(theta)[name]
        found.append(np.abs(a - b).max() / np.abs(a).max())
    return np.array(found)


@pytest.mark.parametrize("stretch", [TO_TENSOR, TO_FLUX])
def test_coordinates_lead_there_and_back(stretch):
    posterior = laminate()
    for state in states(posterior, 20, 3):
        known = posterior.experiments[0].model.trace(posterior.pack(state))
        read = {name: known[name] for name in stretch.reads}
        coordinates = StretchCoordinates(stretch, {name: np.shape(read[name]) for name in read})
        place = coordinates.place(coordinates.flat(read))
        back = coordinates.values(place.x)
        for name in stretch.reads:
            scale = np.exp(place.log_scale) if name in stretch.scaled else 1.0
            assert np.allclose(scale * back[name], read[name], rtol=1e-12)


@pytest.mark.parametrize("stretch", [TO_TENSOR, TO_FLUX])
def test_the_slopes_of_coordinates_are_those_of_differences(stretch):
    posterior, step = laminate(), 1e-6
    (state,) = states(posterior, 1, 4)
    known = posterior.experiments[0].model.trace(posterior.pack(state))
    read = {name: np.array(known[name], dtype=float) for name in stretch.reads}
    coordinates = StretchCoordinates(stretch, {name: np.shape(read[name]) for name in read})
    place, column = coordinates.place(coordinates.flat(read)), 0
    for name in stretch.reads:
        for index in np.ndindex(read[name].shape):
            ends = []
            for sign in (1, -1):
                moved = {other: np.array(value) for other, value in read.items()}
                moved[name][index] += sign * step
                ends.append(coordinates.place(coordinates.flat(moved)))
            assert np.allclose((ends[0].x - ends[1].x) / (2 * step), place.slope[:, column], atol=1e-8)
            slope = (ends[0].log_scale - ends[1].log_scale) / (2 * step)
            assert slope == pytest.approx(place.log_slope[column], abs=1e-8)
            column += 1


def test_a_scale_that_is_not_positive_is_outside_the_model():
    cheap = surrogate_of(laminate(), [TO_TENSOR], budget=400).posterior.experiments[0].model
    with pytest.raises(OutOfLimits, match="k2=-1"):
        cheap.value(cheap.theta(k2=-1.0))


def test_without_names_on_the_way_a_posterior_is_the_same():
    cheap = surrogate_of(laminate(), [TO_TENSOR, TO_FLUX], budget=400).posterior
    flat, rng = flattened(cheap), np.random.default_rng(12)
    assert isinstance(flat, FlatPosterior)
    for _ in range(20):
        theta = cheap.sample_prior(rng)
        value, slope = cheap.log_likelihood_gradient(theta)
        flat_value, flat_slope = flat.log_likelihood_gradient(theta)
        assert flat_value == pytest.approx(value, rel=1e-12)
        assert np.allclose(flat_slope, slope, rtol=1e-10, atol=1e-10 * np.abs(slope).max())
        (one,), (other,) = (logs["k2"] for logs in (effective_logs(cheap, SCALE), flat.effective_logs(SCALE)))
        assert np.allclose(one(theta)[1], other(theta)[1], rtol=1e-10)
        assert other(theta)[0] == pytest.approx(one(theta)[0], rel=1e-12)


def test_a_posterior_with_another_stage_keeps_its_names():
    cheap = surrogate_of(laminate(), [TO_TENSOR], budget=400).posterior
    assert flattened(cheap) is cheap


def test_more_nodes_make_smaller_errors_and_the_reported_ones_are_those_of_other_draws():
    posterior, largest = laminate(), []
    for budget in (400, 1500, 5000):
        built = surrogate_of(posterior, [TO_TENSOR, TO_FLUX], budget=budget)
        for part, name in zip(built.parts, ("K", "flux"), strict=True):
            assert part.solves <= budget
            if name == "K":
                met = errors_at(posterior, built.posterior, name)
                assert part.errors["median"] / 3 < np.median(met) < 3 * part.errors["median"]
                largest.append(met.max())
    assert largest[0] > 5 * largest[1] > 25 * largest[2]
    assert largest[2] < 1e-5


def test_a_budget_is_of_cells_however_many_a_solve_takes():
    Laminate.runs = 0
    (part,) = surrogate_of(laminate(Eleven), [TO_TENSOR], budget=5000).parts
    assert part.solves == Laminate.runs <= 5000 // 11
    assert f"{part.solves} solves of 11 cells" in str(part)
    assert part.errors["median"] < 1e-3


def test_a_budget_too_small_for_any_surrogate_is_refused_with_the_least_and_that_one_is_kept():
    """Of three directions: two probes, 100 held-out states, two scans each of nine nodes, and 3 x 3 x 3."""
    least = 2 + 100 + 3 * 2 * 9 + 27
    Laminate.runs = 0
    with pytest.raises(InputError, match=rf"no surrogate of 'K' from {least - 1} .*{least} or more"):
        surrogate_of(laminate(), [TO_TENSOR], budget=least - 1)
    assert Laminate.runs == 2  # the probes
    for budget in (least, 190, 250):
        Laminate.runs = 0
        (part,) = surrogate_of(laminate(), [TO_TENSOR], budget=budget).parts
        assert part.solves == Laminate.runs <= budget
    with pytest.raises(InputError, match=rf"{11 * least} or more"):
        surrogate_of(laminate(Eleven), [TO_TENSOR], budget=least)


def test_scans_leave_what_the_least_nodes_of_many_directions_need():
    box = [Axis(-1.0, 1.0, 1)] * 6
    for budget in (fewest(box), 900, 1100):
        axes, scanned = choose_nodes(lambda places: np.exp(np.sum(places, axis=1))[:, None], box, budget)
        assert scanned + np.prod([axis.nodes for axis in axes]) <= budget


def test_a_quantile_of_99_percent_is_told_only_where_it_is_not_the_maximum(tmp_path):
    assert list(_summary([1.0] * 99)) == ["median", "at most"]  # where one draw had no answer
    for found in ("built", "cached"):
        (part,) = surrogate_of(laminate(), [TO_TENSOR], tmp_path).parts
        assert part.found == found
        assert "99 % below" in str(part)
        assert list(part.errors.values()) == sorted(set(part.errors.values()))
        assert f"median {part.errors['median']:.1g}, " in str(part)
        assert str(part).endswith(f", at most {part.errors['at most']:.1g}")


def test_the_gradient_is_that_of_the_polynomial():
    posterior = laminate()
    cheap = surrogate_of(posterior, [TO_TENSOR, TO_FLUX], budget=600).posterior
    rng, step = np.random.default_rng(8), 1e-6
    for _ in range(10):
        theta = posterior.sample_prior(rng)
        value, slope = cheap.log_likelihood_gradient(theta)
        assert value == pytest.approx(cheap.log_likelihood(theta))
        ends = [[cheap.log_likelihood(theta + sign * step * row) for sign in (1, -1)] for row in np.eye(4)]
        met = np.array([(a - b) / (2 * step) for a, b in ends])
        assert np.allclose(met, slope, rtol=1e-5, atol=1e-5 * np.abs(slope).max())


def test_both_directions_of_the_derivative_agree():
    cheap = surrogate_of(laminate(), [TO_TENSOR, TO_FLUX], budget=400).posterior.experiments[0].model
    theta, rng = cheap.theta(k1=2.0, share_logit=0.3), np.random.default_rng(2)
    v, w = rng.standard_normal(4), rng.standard_normal(5)
    assert w @ cheap.jvp(theta, v) == pytest.approx(v @ cheap.vjp(theta, w), rel=1e-12)


def test_a_finished_surrogate_is_found_again_by_what_it_is_made_of(tmp_path):
    first = surrogate_of(laminate(), [TO_TENSOR], tmp_path, budget=600)
    Laminate.runs = 0
    second = surrogate_of(laminate(), [TO_TENSOR], tmp_path, budget=600)
    assert [part.found for part in (*first.parts, *second.parts)] == ["built", "cached"]
    assert Laminate.runs == 2  # the probes
    assert second.parts[0].errors == first.parts[0].errors
    theta = laminate().pack({"k1": 2.0, "k2": 0.8, "share_logit": 0.1, "angle": 0.2})
    assert second.posterior.log_likelihood(theta) == first.posterior.log_likelihood(theta)


@pytest.mark.slow
def test_a_surrogate_is_the_same_with_any_number_of_workers(tmp_path):
    found = []
    for count in (0, 1, 2):
        with workers(count) as mapping:
            surrogate_of(laminate(), [TO_TENSOR], tmp_path / str(count), budget=300, map=mapping)
        found.append({path.name: path.read_bytes() for path in (tmp_path / str(count)).iterdir()})
    assert found[1:] == found[:1] * 2


def test_another_function_or_another_box_is_another_surrogate(tmp_path):
    surrogate_of(laminate(), [TO_FLUX], tmp_path, budget=300)
    assert surrogate_of(laminate(factor=1.01), [TO_FLUX], tmp_path, budget=300).parts[0].found == "built"
    wider = laminate().changed(laminate().experiments, {**PRIORS, "k1": LogNormal(1.0, 0.6)})
    assert surrogate_of(wider, [TO_FLUX], tmp_path, budget=300).parts[0].found == "built"
    assert surrogate_of(laminate(), [TO_FLUX], tmp_path, "another text", 300).parts[0].found == "built"


@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_a_damaged_file_is_not_read_but_built_anew(tmp_path, harm):
    first = surrogate_of(laminate(), [TO_FLUX], tmp_path, budget=300)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    if harm == "cut":
        del content[-9:]
    else:
        content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    again = surrogate_of(laminate(), [TO_FLUX], tmp_path, budget=300)
    assert again.parts[0].found == "damaged"
    assert "the cached one is damaged" in str(again.parts[0])
    assert again.parts[0].errors == first.parts[0].errors
    assert surrogate_of(laminate(), [TO_FLUX], tmp_path, budget=300).parts[0].found == "cached"


def test_a_stretch_that_depends_on_more_than_it_says_is_refused():
    with pytest.raises(WiringError, match="depends on angle too"):
        surrogate_of(laminate(), [Stretch("K", scaled=("k2", "k1"), logit=("share_logit",))])


def test_a_wrong_degree_shows_in_the_error():
    wrong = Stretch("flux", scaled=("K",), degree=1)
    assert surrogate_of(laminate(), [wrong], budget=300).parts[0].errors["median"] > 0.1


def test_a_model_that_fails_inside_the_box_has_no_surrogate():
    with pytest.raises(InputError, match=r"too much contrast.*narrow the priors"):
        surrogate_of(laminate(Failing), [TO_TENSOR], budget=300)


def test_no_stretch_is_an_error_that_says_what_helps():
    with pytest.raises(InputError, match="declare `stretches`"):
        surrogate_of(laminate(), [])
