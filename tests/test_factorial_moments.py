"""A case whose dishes are read as two factorial moments: a pair with its sampling covariance."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from mscale_uq.case.read import read_case
from mscale_uq.errors import CaseError, DataError, ParameterError
from mscale_uq.filters.loop import run
from mscale_uq.observe.sequenced import SequencedCells

LAW = '{ law = "factorial_moments" }'
TOY = """
system = "toys/snapshot"
question = "How noisy is the gene?"
seed = 1

[[experiment]]
name = "dishes"
data = "dishes.csv"

[law]
umi = { law = "factorial_moments" }

[prior]
first = { dist = "normal", mean = 1.4, sd = 0.5 }
second = { dist = "normal", mean = 2.5, sd = 1.5 }

[method]
sampler = "nuts"

[assimilate]
filter = "extended"
learn = ["first", "second"]
"""
FUSION = """
system = "cells/cell_state_fusion"
question = "Is the gene's mRNA as noisy as the model says?"
seed = 1

[[experiment]]
name = "dish"
data = "dish.csv"

[fixed]
capture = 0.1
protein_decay = "0.0231049 1/min"
translation_rate = "4 1/min"

[law]
umi = { law = "factorial_moments" }

[prior]
transcription_rate = { dist = "lognormal", median = "2 1/min", factor = 2 }
mrna_decay = { dist = "lognormal", median = "0.14 1/min", factor = 1.5 }
dish_offset = { dist = "normal", mean = 0, sd = 0.1 }

[method]
sampler = "nuts"

[assimilate]
filter = "laplace"
learn = ["transcription_rate", "mrna_decay"]
"""
MEAN, NOISE = 1.5, 0.3  # of counts that scatter as a gene in bursts makes them: negative binomial
MRNA = 2.0 / 0.14 * -np.expm1(-0.14 * 80)


def cells(rng, count, mean=MEAN, noise=NOISE):
    """Size factors and counts, negative binomial around mean times size factor."""
    size = rng.lognormal(0.0, 0.2, count)
    return size, rng.poisson(size * mean * rng.gamma(1 / noise, noise, count))


def toy(folder):
    rng, rows, dishes = np.random.default_rng(2), ["time [h],size_factor [1],umi [1]"], []
    for time in (1, 2):
        size, counts = cells(rng, 300)
        dishes.append(SequencedCells(counts[:, None], size.round(6)).factorial_moments())
        rows += [f"{time},{s:.6f},{y}" for s, y in zip(size, counts, strict=True)]
    (folder / "dishes.csv").write_text("\n".join(rows) + "\n")
    (folder / "toy.toml").write_text(TOY)
    return read_case(folder / "toy.toml"), dishes


def fusion(folder, law=LAW, counts=None, text=FUSION):
    size, drawn = cells(np.random.default_rng(3), 300)
    counts = drawn if counts is None else counts
    rows = [f"80,1,{s:.6f},{y}" for s, y in zip(size, counts, strict=False)]
    head = "time [min],dish [1],size_factor [1],umi [1]"
    (folder / "dish.csv").write_text("\n".join([head, *rows]) + "\n")
    (folder / "case.toml").write_text(text.replace(LAW, law))
    return read_case(folder / "case.toml"), SequencedCells(
        np.array(counts)[:, None], size.round(6)[: len(counts)]
    )


def test_the_two_moments_of_a_dish_count_as_a_pair_with_their_sampling_covariance(toys, tmp_path):
    case, dishes = toy(tmp_path)
    posterior = case.posterior()
    for first, second in ((1.5, 2.9), (1.2, 4.0)):
        pairs = [multivariate_normal(one.value, one.cov).logpdf([first, second]) for one in dishes]
        prior = norm(1.4, 0.5).logpdf(first) + norm(2.5, 1.5).logpdf(second)
        theta = posterior.pack({"first": first, "second": second})
        assert posterior.logpdf(theta) == pytest.approx(sum(pairs) + prior, rel=1e-12)


def test_where_all_is_linear_and_normal_fit_and_filter_say_the_same(toys, tmp_path):
    """Posterior over the filter's normal law is its evidence, at every point."""
    case, dishes = toy(tmp_path)
    plan, posterior = case.assimilating, case.posterior()
    steps = list(run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed))
    state, evidence = steps[-1][0], sum(info.log_evidence for _, info in steps)
    law = multivariate_normal(state.mean[-2:], state.cov[-2:, -2:])
    for point in ((1.5, 2.9), (1.2, 4.0), (0.0, 0.0)):
        theta = posterior.pack(dict(zip(("first", "second"), point, strict=True)))
        assert posterior.logpdf(theta) - law.logpdf(point) == pytest.approx(evidence, rel=1e-9)
    precision = np.diag([1 / 0.5**2, 1 / 1.5**2]) + sum(np.linalg.inv(one.cov) for one in dishes)
    assert state.cov[-2:, -2:] == pytest.approx(np.linalg.inv(precision), rel=1e-9)
    truth = np.array([MEAN, MEAN**2 * (1 + NOISE)])
    miss = truth - state.mean[-2:]
    assert miss @ precision @ miss < 13.8  # 99.9 % of a chi-square of two


def test_gradients_through_both_moments_are_exact(tmp_path):
    posterior = fusion(tmp_path)[0].posterior()
    named = {"transcription_rate": 2.1, "mrna_decay": 0.13, "dish_offset": np.array([0.05])}
    theta, h = posterior.pack(named), 1e-5
    steps = [h * max(abs(x), 0.1) * e for x, e in zip(theta, np.eye(theta.size), strict=True)]
    rows = [(posterior.logpdf(theta + s) - posterior.logpdf(theta - s)) / (2 * s.sum()) for s in steps]
    assert posterior.logpdf_gradient(theta)[1] == pytest.approx(rows, rel=1e-6, abs=1e-6)


def test_a_model_whose_mrna_is_poisson_expects_poisson_moments_and_a_case_reads_back_the_same(tmp_path):
    case, snapshot = fusion(tmp_path)
    found = snapshot.factorial_moments()
    (tmp_path / "again.toml").write_text(case.resolved_toml())
    again = read_case(tmp_path / "again.toml")
    assert (again.resolved(), again.plans[0].operators) == (case.resolved(), case.plans[0].operators)
    posterior = case.posterior()

    def density(offset):
        named = {"transcription_rate": 2.0, "mrna_decay": 0.14, "dish_offset": np.array([offset])}
        return posterior.logpdf(posterior.pack(named)) - norm.logpdf(offset, 0, 0.1)

    def pair(offset):
        mean = 0.1 * MRNA * np.exp(offset)
        return multivariate_normal(found.value, found.cov).logpdf([mean, mean**2])

    for offset in (-0.1, 0.07):
        assert density(offset) - density(0.0) == pytest.approx(pair(offset) - pair(0.0), rel=1e-9)
    readings = {o.quantity: o for o in case.assimilating.stream.observations}
    weight = found.cov[0, 1] / found.cov[0, 0]
    left = found.cov[1, 1] - weight * found.cov[0, 1]
    mean, pairs = readings["umi"], readings["umi_pairs"]
    assert (mean.value.item(), mean.noise.item()) == pytest.approx((found.value[0], found.cov[0, 0] ** 0.5))
    assert pairs.value.item() == pytest.approx(found.value[1] - weight * found.value[0])
    assert pairs.noise.item() == pytest.approx(left**0.5)
    assert pairs.covariates["mean_weight"].item() == pytest.approx(weight)
    # These counts are noisier than Poisson: the pair says so, by more than the four deviations of chance.
    expected = 0.1 * MRNA
    assert pairs.value.item() - (expected**2 - weight * expected) > 4 * pairs.noise.item()


def test_counts_that_capture_scatters_are_poisson_once_their_moments_are_freed_of_it(tmp_path):
    case, snapshot = fusion(tmp_path, f'{{ law = "factorial_moments", overdispersion = {NOISE} }}')
    pairs = case.plans[0].data.outputs["umi_pairs"].item()
    found, weight = snapshot.factorial_moments(), case.plans[0].data.coordinates["mean_weight"].item()
    assert weight == pytest.approx(found.cov[0, 1] / found.cov[0, 0] / (1 + NOISE))
    sd = case.assimilating.stream.observations[1].noise.item()
    assert abs(pairs - (MEAN**2 - weight * MEAN)) < 3.3 * sd
    assert pairs + weight * found.value[0] == pytest.approx(found.value[1] / (1 + NOISE))
    assert case.resolved()["experiment"][0]["law"] == {
        "umi": {"law": "factorial_moments", "overdispersion": NOISE}
    }


def test_a_filter_takes_both_or_only_compares_the_second(tmp_path):
    text = FUSION.replace('filter = "laplace"', 'filter = "laplace"\nevaluate = ["umi_pairs"]')
    for case, used in ((fusion(tmp_path)[0], True), (fusion(tmp_path, text=text)[0], False)):
        plan = case.assimilating
        *_, (_, info) = run(plan.filter, plan.space, plan.theta, plan.stream.observations, case.seed)
        assert info.sources == ("pair counter", "sequencer")
        assert [int(code) for code in info.verdicts] == [0 if used else 1, 0]


REFUSED = {
    "an unknown": ('{ law = "factorial_moments", overdispersion = "noise" }', None, "a number, which"),
    "a negative": ('{ law = "factorial_moments", overdispersion = -0.1 }', None, "overdispersion = -0.1"),
    "a level": (
        '{ law = "factorial_moments", sd = 1 }',
        None,
        "factorial_moments: sd; allowed: overdispersion",
    ),
    "pairs": (f"{LAW}\numi_pairs = {{ sd = 1 }}", None, "a law of 'umi_pairs'; allowed: none"),
    "few": (LAW, [1, 2] * 99, '198 cells; allowed: at least 200 .*hint: law = "pseudobulk"'),
    "dark": (LAW, [0, 1] * 150, "have two molecules"),
    "equal": (LAW, [0] * 300, "the cells do not scatter;"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_moments_that_cannot_be_are_refused(what, tmp_path):
    law, counts, said = REFUSED[what]
    with pytest.raises((CaseError, DataError, ParameterError), match=said):
        fusion(tmp_path, law, counts)


def test_moments_of_readings_that_are_no_counts_of_cells_are_refused(tmp_path):
    (tmp_path / "movie.csv").write_text("time [min],cell [1],intensity [1]\n5,1,100\n")
    text = FUSION.replace("umi = {", "intensity = {").replace("dish.csv", "movie.csv")
    (tmp_path / "case.toml").write_text(text)
    with pytest.raises(CaseError, match="factorial_moments of 'intensity', which has no size_factor"):
        read_case(tmp_path / "case.toml")


def test_what_the_second_moment_would_say_may_be_held_out(tmp_path):
    text = FUSION.replace('data = "dish.csv"', 'data = "dish.csv"\nhold_out = ["umi_pairs"]')
    case, snapshot = fusion(tmp_path, text=text)
    named = {"transcription_rate": 2.0, "mrna_decay": 0.14, "dish_offset": np.zeros(1)}
    posterior, found = case.posterior(), snapshot.factorial_moments()
    theta = posterior.pack(named), posterior.pack({**named, "transcription_rate": 2.2})
    log_prior = norm(np.log(2), np.log(2) / norm.ppf(0.975)).logpdf(np.log([2.0, 2.2])) - np.log([2.0, 2.2])
    alone = norm(found.value[0], found.cov[0, 0] ** 0.5).logpdf(0.1 * MRNA * np.array([1.0, 1.1]))
    expected = np.diff(alone + log_prior).item()
    assert posterior.logpdf(theta[1]) - posterior.logpdf(theta[0]) == pytest.approx(expected, rel=1e-9)


def test_a_system_without_pairs_is_told(toys, tmp_path, monkeypatch):
    monkeypatch.setattr("mscale_uq.case.pooled.PAIRS", "_couples")
    with pytest.raises(CaseError, match="toys/snapshot does not predict pairs of it; allowed: a system"):
        toy(tmp_path)
