"""Twin experiments with the settings and the errors of published tables.

The tables are those of DAPPER 1.7 (`mods/Lorenz96/sakov2008.py`, `mods/Lorenz63/sakov2012.py`), which repeat
Table 1 of Sakov and Oke (2008), doi:10.1111/j.1600-0870.2007.00299.x, and of P. Sakov, D. S. Oliver and
L. Bertino, Mon. Wea. Rev. 140 (2012) 1988-2004, and add further filters. The error is the root mean square
over the state, after the analysis, averaged over time; five seeds of 2000 cycles each, unless said.

Checked: of sakov2008 EnKF, DEnKF, ETKF with 28 and 24 members, serial, LETKF, interpolation, 3D-Var and
climatology; of sakov2012 EnKF perturbed and not, IEnKS, both particle filters, extended, interpolation and
3D-Var; of `hoteit2015.py` the serial filter with 17 members.

Not checked: rows of filters that are not built here, which are EnKF-N (of sakov2008, `bocquet2010.py`,
`bocquet2010_m40.py`, `frei2013.py`), ESOPS (`hoteit2015.py`) and the optimal particle filter
(`bocquet2010.py`); particle filters whose error hangs on rare events, so that runs are longer than a test
may take (sakov2008 with 3000 particles and 10 000 cycles, `bocquet2010.py`); and rows that repeat a filter
checked above on a path that costs more: LETKF of `hoteit2015.py`, `todter2015_G.py` (80 sites) and
`spantini2019.py` (20 model steps between readings), ETKF of `spantini2019.py`, IEnKS of
`bocquet2010_m40.py` and `spantini2019.py`. The ETKF of `hoteit2015.py` with 17 members, 0.217 in the table,
erred by 0.20 and 0.21 and lost the truth in one run of three.
"""

from dataclasses import replace

import numpy as np
import pytest
from mscale_uq.models.reference import lorenz63, lorenz96

from mscale_uq.core.observation import Observation
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.ienks import IEnKS
from mscale_uq.filters.inflation import Inflation
from mscale_uq.filters.letkf import LETKF
from mscale_uq.filters.localisation import Localisation
from mscale_uq.filters.loop import run, start
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.serial import Serial
from mscale_uq.filters.stochastic import Stochastic

SEEDS, CYCLES = range(5), 2000
SITES = np.arange(40.0)
# DAPPER's `loc_rad` 4 is where its taper is exp(-1/2); its half-width is 1.82 times that.
FOUR_SITES = Localisation(1.82 * 4, SITES, {"stations": SITES}, period=40)
SAKOV_2008 = {
    "stochastic": (EnsembleKalman(Stochastic(), 40, Inflation(on_anomalies=1.06)), 0.22),
    "denkf": (EnsembleKalman(DEnKF(), 40, Inflation(on_anomalies=1.01)), 0.18),
    "etkf": (EnsembleKalman(ETKF(), 28, Inflation(on_anomalies=1.02), rotation=True), 0.18),
    "serial": (EnsembleKalman(Serial(), 28, Inflation(on_anomalies=1.02), rotation=True), 0.18),
}
# Mean and gain of a network from the climate: DAPPER's `OptInterp`, `Var3D` and `Climatology`. A number is
# 3D-Var's share of the climate's covariance; the table's 0.41 is 0.419 when its program is run.
BASELINES_2008 = {"interpolation": 0.95, 0.02: 0.419, "climatology": 3.6}
BASELINES_2012 = {"interpolation": 1.25, 0.1: 1.04}
LETKF_2008 = EnsembleKalman(LETKF(FOUR_SITES), 7, Inflation(on_anomalies=1.04), rotation=True)
SAKOV_2012 = {
    "etkf": (EnsembleKalman(ETKF(), 10, Inflation(on_anomalies=1.02), rotation=True), 0.60),
    "ienks": (IEnKS(10, inflation=Inflation(on_anomalies=1.02), rotation=True), 0.31),
    "100 particles": (ParticleFilter(100, ess_min=0.3, jitter=2.4), 0.38),
}


def twin(space, theta, seed, interval, cycles=CYCLES):
    """A true path from a draw of the initial law, and its readings, seen with the law's noise."""
    rng = np.random.default_rng([seed, 1])
    values = space.prepare(theta)
    mean, cov = space.initial(values)
    source, operator = next(iter(space.observations.items()))
    truth = mean + np.sqrt(np.diag(cov)) * rng.standard_normal(mean.size)
    path, readings = [], []
    for cycle in range(1, cycles + 1):
        truth = space.step(truth[None], 0.0, interval, values, rng)[0]
        path.append(truth)
        datum = operator.sample({**values, **space.dynamics.split(truth)}, rng)
        readings.append(Observation(cycle * interval, source, operator.quantity, datum))
    return np.array(path), readings


def errors(filter, space, theta, interval, burn_in, cycles=CYCLES, seeds=SEEDS):
    """Mean error and mean spread of each seed."""
    found = []
    for seed in seeds:
        path, readings = twin(space, theta, seed, interval, cycles)
        states = [state for state, _ in run(filter, space, theta, readings, key=seed)][burn_in:]
        error = [np.sqrt(np.mean((s.mean - x) ** 2)) for s, x in zip(states, path[burn_in:], strict=True)]
        found.append((np.mean(error), np.mean([np.sqrt(np.diag(s.cov).mean()) for s in states])))
    return np.array(found).T


@pytest.mark.slow
@pytest.mark.parametrize("row", SAKOV_2008)
def test_sakov_2008_lorenz_96(row):
    filter, published = SAKOV_2008[row]
    error, spread = errors(filter, lorenz96.space(), {"forcing": 8.0}, 0.05, burn_in=400)
    print(row, "rmse", error.mean(), "+-", error.std(ddof=1), "spread", spread.mean(), "table", published)
    assert error.mean() == pytest.approx(published, abs=0.012)
    assert 0.9 < spread.mean() / error.mean() < 1.25


@pytest.mark.slow
def test_sakov_2008_lorenz_96_with_seven_local_members():
    error, spread = errors(LETKF_2008, lorenz96.space(), {"forcing": 8.0}, 0.05, burn_in=400)
    print("letkf rmse", np.median(error), "of", error, "spread", spread.mean(), "table", 0.22)
    assert np.median(error) == pytest.approx(0.22, abs=0.02)
    assert 0.9 < np.median(spread / error) < 1.25


@pytest.mark.slow
def test_hoteit_2015_lorenz_96_with_seventeen_members():
    filter = EnsembleKalman(Serial(), 17, Inflation(on_anomalies=1.06))
    error, spread = errors(filter, lorenz96.space(), {"forcing": 8.0}, 0.05, burn_in=400, seeds=range(3))
    print("serial 17 rmse", error, "spread", spread.mean(), "table", 0.225)
    assert error.mean() == pytest.approx(0.225, abs=0.012)
    assert 0.9 < spread.mean() / error.mean() < 1.25


@pytest.mark.slow
@pytest.mark.parametrize("row", SAKOV_2012)
def test_sakov_2012_lorenz_63(row):
    filter, published = SAKOV_2012[row]
    space = lorenz63.space(sd=np.sqrt(2))
    theta = {parameter.name: parameter.default for parameter in space.parameters}
    error, spread = errors(filter, space, theta, 0.25, burn_in=64)
    print(row, "rmse", error.mean(), "+-", error.std(ddof=1), "spread", spread.mean(), "table", published)
    assert error.mean() == pytest.approx(published, rel=0.10)  # the table's own runs scatter by 5 to 15 %


@pytest.mark.slow
def test_sakov_2012_lorenz_63_with_readings_perturbed_for_each_member():
    """It loses the truth for a while now and then, so runs scatter by 18 %: twenty of them."""
    filter = EnsembleKalman(Stochastic(), 10, Inflation(on_anomalies=1.04))
    space = lorenz63.space(sd=np.sqrt(2))
    theta = {parameter.name: parameter.default for parameter in space.parameters}
    error, spread = errors(filter, space, theta, 0.25, 64, cycles=1000, seeds=range(20))
    print("stochastic rmse", error.mean(), "+-", error.std(ddof=1), "spread", spread.mean(), "table", 0.65)
    assert error.mean() == pytest.approx(0.65, rel=0.10)


@pytest.mark.slow
def test_sakov_2012_lorenz_63_with_many_particles():
    """Of five runs one may lose the truth for good (see `ParticleFilter`), here as in the table's program."""
    space = lorenz63.space(sd=np.sqrt(2))
    theta = {parameter.name: parameter.default for parameter in space.parameters}
    error, _ = errors(ParticleFilter(800, ess_min=0.2, jitter=0.9), space, theta, 0.25, 64, cycles=600)
    print("800 particles rmse", np.median(error), "of", error, "table", 0.28)
    assert np.median(error) == pytest.approx(0.28, rel=0.10)


@pytest.mark.slow
def test_sakov_2008_lorenz_96_with_24_members_may_lose_the_truth():
    """The table's 0.18 holds while the truth is followed; now and then it is lost for good, there as here."""
    filter = EnsembleKalman(ETKF(), 24, Inflation(on_anomalies=1.013), rotation=True)
    error, _ = errors(filter, lorenz96.space(), {"forcing": 8.0}, 0.05, burn_in=400)
    followed = error < 1.0
    print("etkf 24 rmse", error, "diverged", np.sum(~followed), "of", len(error), "table", 0.18)
    assert np.median(error[followed]) == pytest.approx(0.18, abs=0.012)
    assert np.sum(~followed) <= 2


def baseline(kind, space, theta, interval, burn_in, seed):
    """Mean error of a method that knows the climate of the path and nothing of its own uncertainty."""
    path, readings = twin(space, theta, seed, interval)
    values, mean = space.prepare(theta), path.mean(axis=0)
    R = space.observations["stations" if "stations" in space.observations else "probe"].law.sd ** 2
    share = kind if isinstance(kind, float) else 1.0
    B = share * np.cov(path.T)
    gain = np.linalg.solve(B + R * np.eye(len(B)), B).T
    state, found = mean, []
    for truth, reading in zip(path, readings, strict=True):
        state = space.step(state[None], 0.0, interval, values, None)[0]
        before = state if share < 1 else mean
        state = before + gain @ (reading.value - before) if kind != "climatology" else mean
        found.append(np.sqrt(np.mean((state - truth) ** 2)))
    return np.mean(found[burn_in:])


@pytest.mark.slow
@pytest.mark.parametrize("kind", BASELINES_2008)
def test_the_baselines_of_sakov_2008(kind):
    """What the twin experiment itself is worth, without any filter: path, readings and error measure."""
    space = lorenz96.space()
    error = np.mean([baseline(kind, space, {"forcing": 8.0}, 0.05, 400, seed) for seed in SEEDS])
    print(kind, "rmse", error, "table", BASELINES_2008[kind])
    assert error == pytest.approx(BASELINES_2008[kind], abs=max(0.012, 0.01 * BASELINES_2008[kind]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", BASELINES_2012)
def test_the_baselines_of_sakov_2012(kind):
    space = lorenz63.space(sd=np.sqrt(2))
    theta = {parameter.name: parameter.default for parameter in space.parameters}
    error = np.mean([baseline(kind, space, theta, 0.25, 64, seed) for seed in SEEDS])
    print(kind, "rmse", error, "table", BASELINES_2012[kind])
    assert error == pytest.approx(BASELINES_2012[kind], rel=0.05)


@pytest.mark.slow
def test_sakov_2012_lorenz_63_with_an_extended_filter():
    """Its variance grows by 180 in a unit of time beside what the tangent says."""
    space = lorenz63.space(sd=np.sqrt(2))
    theta = {parameter.name: parameter.default for parameter in space.parameters}
    found = []
    for seed in SEEDS:
        path, readings = twin(space, theta, seed, 0.25, 1000)
        now, error = start(ExtendedKalman(), space, theta), []
        for truth, reading in zip(path, readings, strict=True):
            there = now.predict_to(reading.time)
            wide = replace(there.state, cov=180**0.25 * there.state.cov)
            now, _ = replace(there, state=wide).update(reading)
            error.append(np.sqrt(np.mean((now.state.mean - truth) ** 2)))
        found.append(np.mean(error[64:]))
    print("extended rmse", np.mean(found), "of", found, "table", 0.92)
    assert np.mean(found) == pytest.approx(0.92, rel=0.10)
