from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from known_posteriors import NOISE, Line, limit_with_mass_above, straight
from pytensor.compile.function.types import FunctionMaker

from mscale_uq.diagnose.rank_log import FILE
from mscale_uq.diagnose.ranks import LEVEL, check_ranks
from mscale_uq.diagnose.sbc import check_calibration
from mscale_uq.errors import CaseError, RunError
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.settings import Settings
from mscale_uq.results.candidate import pareto_smoothed

SHORT = Settings(sampler="pcn", draws=19, tune=10, chains=1, cores=0, seed=2)


def ranks(calibration):
    return np.array([check.ranks for check in calibration.checks])


def test_ranks_do_not_depend_on_who_runs_them_or_in_what_order():
    here = check_calibration(straight(), SHORT, runs=6, kept=19)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        there = check_calibration(straight(), SHORT, runs=6, kept=19, map=pool.map)
    backwards = check_calibration(straight(), SHORT, runs=6, kept=19, map=last_first)
    assert np.array_equal(ranks(here), ranks(there))
    assert np.array_equal(ranks(here), ranks(backwards))


def compiled_by(runs, monkeypatch):
    """Return how many functions PyTensor compiles in a calibration of so many runs."""
    made = []
    create = FunctionMaker.create
    with monkeypatch.context() as patch:
        patch.setattr(
            FunctionMaker, "create", lambda *given, **named: made.append(1) or create(*given, **named)
        )
        check_calibration(straight(), replace(SHORT, sampler="nuts"), runs=runs, kept=19)
    return len(made)


def test_all_runs_share_what_is_compiled(monkeypatch):
    assert compiled_by(1, monkeypatch) == compiled_by(4, monkeypatch) > 0


def last_first(function, tasks):
    return [function(task) for task in reversed(list(tasks))]


def test_a_calibration_goes_on_where_it_was_interrupted(tmp_path):
    whole = check_calibration(straight(), SHORT, runs=8, kept=19)
    with pytest.raises(KeyboardInterrupt):
        check_calibration(straight(), SHORT, runs=8, kept=19, folder=tmp_path, map=interrupted)
    torn = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(torn[:-5])  # the record that was being written
    counted = Counted()
    again = check_calibration(straight(), SHORT, runs=8, kept=19, folder=tmp_path, map=counted)
    assert counted.calls == 8 - 2
    assert np.array_equal(ranks(whole), ranks(again))
    more = check_calibration(straight(), SHORT, runs=9, kept=19, folder=tmp_path, map=counted)
    assert counted.calls == 8 - 2 + 1
    assert np.array_equal(ranks(whole), ranks(more)[:, :8])


def interrupted(function, tasks):
    for number, task in enumerate(tasks):
        if number == 3:
            raise KeyboardInterrupt
        yield function(task)


class Counted:
    def __init__(self):
        self.calls = 0

    def __call__(self, function, tasks):
        for task in tasks:
            self.calls += 1
            yield function(task)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 3}, "seed"), ({"tune": 11}, "tune"), ({"sampler": "demetropolisz"}, "sampler")],
)
def test_ranks_of_something_else_are_not_mixed_in(change, named, tmp_path):
    check_calibration(straight(), SHORT, runs=1, kept=19, folder=tmp_path, identity="case")
    before = (tmp_path / FILE).read_bytes()
    other = Settings(**{**vars(SHORT), **change})
    with pytest.raises(RunError, match=f"{named} differ"):
        check_calibration(straight(), other, runs=1, kept=19, folder=tmp_path, identity="case")
    with pytest.raises(RunError, match="identity differ"):
        check_calibration(straight(), SHORT, runs=1, kept=19, folder=tmp_path, identity="other case")
    assert (tmp_path / FILE).read_bytes() == before


def test_too_few_draws_are_refused():
    with pytest.raises(
        CaseError, match="draws = 19 of each run, of which kept = 99 are ranked; allowed: draws of at"
    ):
        check_calibration(straight(), SHORT, runs=1)
    for wrong in ({"runs": 0}, {"runs": -5}, {"runs": 1, "kept": 0}):
        name, given = list(wrong.items())[-1]
        with pytest.raises(CaseError, match=f"^{name} = {given}; allowed: at least 1$"):
            check_calibration(straight(), SHORT, **wrong)


def test_draws_that_stick_together_are_cautioned_about():
    """Nineteen neighbouring draws of a random walk are far from independent."""
    calibration = check_calibration(straight(), SHORT, runs=10, kept=19)
    assert any("Kept draws of level are correlated" in caution for caution in calibration.cautions)


def test_prior_draws_without_an_answer_are_passed_over_and_counted():
    """A failing region has no posterior mass, so that the prior without it is the one that is ranked."""
    gated = straight(limit=limit_with_mass_above(0.3))
    calibration = check_calibration(gated, SHORT, runs=30, kept=19)
    assert calibration.refused > 0
    assert calibration.failures > 0


def test_levels_are_calibrated_as_one_posterior():
    levels = Levels(straight(), [straight(limit=1.0)], 2)
    settings = Settings(**{**vars(SHORT), "sampler": "mlda"})
    calibration = check_calibration(levels, settings, runs=2, kept=19)
    assert [check.name for check in calibration.checks] == [
        "level",
        "slope",
        "log-likelihood",
        "misfit by moments",
    ]


RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("u", "meaning"),
    [
        (RNG.beta(0.4, 0.4, 300), "too narrow"),
        (RNG.beta(3.0, 3.0, 300), "too wide"),
        (RNG.beta(2.0, 1.0, 300), "above the draws too often"),
        (RNG.beta(1.0, 2.0, 300), "below the draws too often"),
    ],
)
def test_the_shape_of_wrong_ranks_is_put_in_words(u, meaning):
    check = check_ranks("x", (u * 100).astype(int), 99)
    assert check.p < LEVEL
    assert meaning in check.meaning


def test_right_ranks_are_called_right():
    p = [check_ranks("x", RNG.integers(0, 100, 200), 99).p for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 100)


class HighLine(Line):
    """Reads a quarter of the noise too high: a surrogate of known wrongness."""

    def value(self, values):
        return {"reading": super().value(values)["reading"] + 0.25 * NOISE}


def test_a_surrogate_serves_all_data_sets_and_is_compiled_once(monkeypatch):
    settings = replace(SHORT, sampler="surrogate")
    made = []
    create = FunctionMaker.create
    monkeypatch.setattr(
        FunctionMaker, "create", lambda *given, **named: made.append(1) or create(*given, **named)
    )
    levels = Levels(straight(), [straight(stage=HighLine)])
    for runs in (1, 4):
        check_calibration(levels, settings, runs=runs, kept=19, smooth=pareto_smoothed)
        made.append(0)
    assert made[: made.index(0)].count(1) == made[made.index(0) :].count(1) > 0
