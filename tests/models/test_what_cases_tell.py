"""What the tool itself says of the shipped cases: which combinations the data tell, and which they leave."""

import numpy as np
import pytest
from mscale_uq.models.cells.morphogen_tissue import at_rest
from scipy.stats import multivariate_normal, norm
from told_of_cases import Told

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.diagnose.normal_scores import from_normal
from mscale_uq.diagnose.told import told_by_draws
from mscale_uq.errors import NoGradient

COARSE_ROAD = ("[fixed]", "[options]\ncells = 20\n\n[fixed]")
PER_FACTOR = 1 / 1.959964  # the sd of a logarithm, of the logarithm of a prior's factor


@pytest.fixture
def changed(tmp_path):
    """A shipped case, some of its text changed."""

    def write(name, *pairs):
        text = find_case(name).read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        (tmp_path / "case.toml").write_text(text, encoding="utf-8")
        return read_case(tmp_path / "case.toml")

    return write


@pytest.fixture
def posterior(changed):
    return lambda *case: changed(*case).posterior()


@pytest.mark.slow
def test_features_of_a_beat_tell_five_scales_as_known_and_leave_three_to_the_prior(posterior):
    """Known, linearised: deviations of the logarithms under a prior sd of 0.3, to 0.02."""
    names, known = ("P_CaL", "K_NaCa", "P_up", "g_f"), (0.069, 0.135, 0.136, 0.176)
    rest, rest_known = ("P_CaT", "k_s", "g_to"), (0.279, 0.271, 0.275)
    held = "P_CaT = 1\nk_s = 1\ng_to = 1\n"
    freed = "".join(f'{name} = {{ dist = "lognormal", median = 1, factor = 1.8 }}\n' for name in rest)
    told = Told(posterior("sinoatrial_cell", (held, ""), ("[prior]\n", "[prior]\n" + freed)))
    sds = told.left(*names, *rest, "g_Kr") * np.log(1.8) * PER_FACTOR
    assert sds[:-1] == pytest.approx([*known, *rest_known], abs=0.02)
    assert sds[-1] < 0.072


def told_by_weighed_draws(case, size, powers=(0.02, 0.1, 0.4, 1.0)):
    """What draws tell, without derivatives: normal proposals, resampled by ever more of the likelihood."""
    posterior, rng = case.posterior(), np.random.default_rng(3)
    law = multivariate_normal(np.zeros(posterior.size))
    for power in powers:
        z = law.rvs(size, random_state=rng)
        thetas = [from_normal(posterior, row) for row in z]
        seen = np.array([posterior.log_likelihood(theta) for theta in thetas])
        log = power * seen + norm.logpdf(z).sum(axis=1) - law.logpdf(z)
        weight = np.exp(log - log.max())
        rows = rng.choice(size, size, p=weight / weight.sum())
        law = multivariate_normal(z[rows].mean(axis=0), 1.5 * np.cov(z[rows].T))
    effective = weight.sum() ** 2 / np.sum(weight**2)
    assert effective > 0.15 * size
    kept = [posterior.split(thetas[row]) for row in rows]
    draws = {n: np.array([[one[n] for one in kept]]) for n in posterior.variables}
    return told_by_draws(posterior, draws, effective)


def test_free_flow_tells_the_free_speed_and_leaves_the_drivers_to_the_prior(changed, tmp_path):
    """Exact, where the road carries the inflow at any headway in question: speeds and counts are those of the
    entrance, twelve of each, to 2 m/s of 29 and to 5 of 30; priors' factors are 1.2 and 1.5."""
    rows = (find_case("traffic_flow").parents[2] / "data/traffic_flow/blocked_road.csv").read_text()
    (tmp_path / "free.csv").write_text("\n".join(rows.splitlines()[:13]) + "\n")  # before the incident
    short = 'median = "1.2 s", factor = 2.2', 'median = "1.2 s", factor = 1.3'
    case = changed("traffic_flow", ("traffic_flow/blocked_road", "free"), COARSE_ROAD, short)
    told = told_by_weighed_draws(case, 800, powers=(0.2, 1.0))
    kept = dict(zip(told.names, told.kept, strict=True))
    for name, noise, factor in (("free_speed", 2 / 29, 1.2), ("inflow", 5 / 30, 1.5)):
        told = np.sqrt(12) / noise * np.log(factor) * PER_FACTOR
        assert kept[name] == pytest.approx(1 / np.sqrt(1 + told**2), abs=0.03)
    assert [kept[name] for name in ("headway", "spacing", "exit_capacity")] == pytest.approx(
        [1, 1, 1], abs=0.15
    )


def test_a_profile_at_rest_tells_two_of_three_rates(changed, tmp_path):
    """Known: nothing along (1, 1, 1) of the logarithms; of three equal priors' sds 1/sqrt(3) is left."""
    rows = [f"1e7,{place:g},{100 * at_rest(place) + 6:.4f}" for place in np.linspace(0.0, 60.0, 13)]
    (tmp_path / "rest.csv").write_text("\n".join(["time [s],x [um],fluorescence", *rows]) + "\n")
    small = "[options]\ncells = 12\nmolecules = 200\nreplicas = 2\n\n[fixed]\nbackground = 6"
    case = changed(
        "morphogen_tissue",
        ("morphogen_tissue/profiles", "rest"),
        ("[fixed]", small),
        ("background = { dist", "# background = { dist"),
        ("at = { background = 6 }", ""),
    )
    told = told_by_weighed_draws(case, 400)
    shares, vectors = told.directions
    assert told.kept == pytest.approx(3 * [np.sqrt(1 / 3)], abs=0.08)
    assert np.abs(vectors[:, -1]) == pytest.approx(3 * [np.sqrt(1 / 3)], abs=0.05)
    assert shares[1] < 0.2
    assert shares[2] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", ["traffic_flow", "morphogen_tissue"])
def test_of_a_model_without_derivatives_nothing_is_said_before_a_fit(posterior, name):
    with pytest.raises(NoGradient, match="no derivative"):
        Told(posterior(name))
