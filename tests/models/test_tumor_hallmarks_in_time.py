"""Hallmarks that drift, as filters find them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from mscale_uq.models.physiology._hallmarks import PORTS
from mscale_uq.models.physiology.tumor_hallmarks import forward, space

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.run.assimilate import take_in

TABLE = Path(__file__).parents[2] / "data/tumor_hallmarks"


def table(arm):
    """Days and volumes of a group of mice."""
    with (TABLE / f"{arm}.csv").open() as file:
        rows = np.array(list(csv.reader(file))[1:], dtype=float)
    return rows.T


def test_the_case_reads_zeros_as_not_detected():
    case = read_case(find_case("tumor_hallmarks"))
    law, volumes = case.plans[4].operators["volume"].law, table("both_20")[1]
    assert list(volumes[law.censored(volumes)]) == [0, 0, 0]


def watched(folder, *changes):
    """Take in a watched tumour: the case, with some of its text changed."""
    text = find_case("tumor_hallmarks_drift").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "tumor_hallmarks_drift.toml"
    path.write_text(text)
    return take_in(read_case(path))


def interval(result, name, row=-1):
    """The 95 % interval of what is learned, by default in the end."""
    columns = [c for c in result.steps.columns if c.startswith(name) and ("lower" in c or "upper" in c)]
    return tuple(result.steps[columns].iloc[row])


STABLE = ("drifting.csv", "stable.csv")
STILL = ("independence = 0.01, angiogenic_drive = 0.004, suppressor_function = 0.01", "independence = 0.0")


def test_a_filter_finds_what_drifts_and_where_it_is(tmp_path):
    """A model without drift, whose unknowns may walk: they leave where they began for the truth."""
    result = watched(tmp_path)
    for name, first, last in (("independence", 0.2, 2.0414), ("angiogenic_drive", 1.0, 4.2227)):
        low, high = interval(result, name)
        assert first < low < last < high
    low, high = interval(result, "suppressor_function")  # seen hardly at all: as wide as a factor of 20
    assert high / low > 10
    found = result.consistency
    assert found.lower < found.total / found.freedom < found.upper


def test_a_filter_finds_no_drift_where_there_is_none(tmp_path):
    result = watched(tmp_path, STABLE)
    for name, truth in (("independence", 0.2), ("angiogenic_drive", 1.0), ("suppressor_function", 1.0)):
        for row in (9, 19, 32):
            low, high = interval(result, name, row)
            assert low < truth < high


def test_what_chance_adds_to_a_drift_is_its_strength_times_the_integral_of_the_instability_squared():
    """Var ln alpha = s^2 int G^2 dt, here over 30 days; mean and members of an ensemble agree."""
    here = space("drifting", chance=0.05)
    values = here.prepare({p.name: p.default for p in here.parameters})
    start, days = here.initial(values)[0], np.linspace(0.25, 30, 120)
    path = forward(days, "drifting")
    damage = np.append(0.0, path.trace(path.theta())["instability"])
    expected = 0.05**2 * np.trapezoid(damage**2, np.append(0.0, days))
    shifts = [i for i, one in enumerate(here.dynamics.state) if one.name in PORTS]
    gained = here.dynamics.noise_at(start, 0.0, 30.0, values)
    assert np.diag(gained)[shifts] == pytest.approx(np.full(3, expected), rel=5e-3)
    states = np.tile(start, (60, 1))
    members = here.step(states, 0.0, 30.0, values, np.random.default_rng(2))[:, shifts]
    mean = here.dynamics.linearize_step(start, 0.0, 30.0, values)[0][shifts]
    sd = np.sqrt(expected)
    assert np.all(np.abs(members.mean(axis=0) - mean) < 4 * sd / np.sqrt(60))
    assert np.all(np.abs(members.std(axis=0) / sd - 1) < 4 / np.sqrt(120))
    assert np.abs(np.corrcoef(members.T)[np.triu_indices(3, 1)]).max() < 0.5


def test_a_filter_finds_how_fast_hallmarks_drift_where_chance_drives_them_too():
    result = take_in(read_case(find_case("tumor_hallmarks_chance")))
    for name, truth in (("independence_drift", 0.05), ("function_drift", 0.05), ("drive_drift", 0.03)):
        first, last = (np.array(interval(result, name, row)) for row in (0, -1))
        assert last[0] < truth < last[1]
        if name != "function_drift":  # seen hardly at all
            assert last[1] / last[0] < 0.5 * first[1] / first[0]
    found = result.consistency
    assert found.lower < found.total / found.freedom < found.upper


def test_the_evidence_is_for_drift_where_there_is_drift_and_against_it_where_there_is_none(tmp_path):
    def gain(*changes):
        walking, still = (
            watched(tmp_path, *changes, *more).steps["log_evidence"].sum() for more in ((), (STILL,))
        )
        return walking - still

    assert gain() > 100
    assert gain(STABLE) < 0
