"""Chains as processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from known_posteriors import (
    break_strangely,
    bug,
    level_and_slope,
    limit_with_mass_above,
    refuse,
    straight,
    vanish,
)

from mscale_uq.errors import ChainDied, ParameterError, RunError, WiringError
from mscale_uq.files import frame, read_records
from mscale_uq.infer.chains import environment, sample
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.records import DRAWS
from mscale_uq.infer.settings import Settings

QUICK = {"sampler": "slice", "draws": 30, "tune": 20, "chains": 2, "seed": 3}


def logs(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.log"))}


def records(folder):
    return len(read_records(folder / "chain-0" / DRAWS).payloads)


def test_draws_do_not_depend_on_the_number_of_cores(tmp_path):
    target = straight(limit_with_mass_above(0.25))
    for cores in (0, 2):
        sample(target, Settings(**QUICK, cores=cores), tmp_path / str(cores))
    assert len(logs(tmp_path / "0")) == 4
    assert logs(tmp_path / "0") == logs(tmp_path / "2")


def test_a_bug_in_a_model_stops_the_run_with_its_own_message_and_line(tmp_path):
    target = straight(limit_with_mass_above(0.01), bug)
    with pytest.raises(TypeError) as caught:
        sample(target, Settings(**{**QUICK, "draws": 10_000}, cores=1), tmp_path)
    with pytest.raises(TypeError) as direct:
        target.log_likelihood(np.array([100.0, 0.0]))
    assert str(caught.value) == str(direct.value)
    text = str(caught.value.__cause__)
    assert "known_posteriors.py" in text
    assert "# the bug" in text


@pytest.mark.parametrize("sampler", [name for name in METHODS if name != "surrogate"])
def test_under_every_sampler_a_bug_comes_out_as_it_is(sampler, tmp_path):
    # The level starts where there is no bug, and meets it soon.
    target = straight(limit_with_mass_above(0.4), bug)
    target = Levels(target, [straight()]) if sampler == "mlda" else target
    settings = Settings(sampler, draws=2000, tune=100, chains=1, cores=0, seed=3)
    with pytest.raises(TypeError) as caught:
        sample(target, settings, tmp_path)
    assert caught.traceback[-1].path.name == "known_posteriors.py"
    assert "Apply node" not in str(caught.value)


def test_an_exception_that_cannot_travel_still_says_what_it_was(tmp_path):
    with pytest.raises(Exception, match="Fragile: about the cell"):
        sample(straight(0.0, break_strangely), Settings(**QUICK, cores=1), tmp_path)


def test_the_draws_before_a_bug_stay_on_disk(tmp_path):
    calls = []

    def well_for_a_while(values):
        calls.append(1)
        return bug(values) if len(calls) > 200 else level_and_slope(values)

    with pytest.raises(TypeError):
        sample(straight(-1e9, well_for_a_while), Settings(**QUICK, cores=0), tmp_path)
    before = (tmp_path / "chain-0" / DRAWS).read_bytes()
    assert records(tmp_path) > 5
    sample(straight(), Settings(**QUICK, cores=0), tmp_path)
    assert (tmp_path / "chain-0" / DRAWS).read_bytes().startswith(before)


def test_progress_is_told_here_and_ends_with_the_last_draw():
    seen = []
    settings = Settings(**QUICK, cores=0)
    sample(straight(), settings, on_progress=lambda *report: seen.append(report))
    assert [report[:3] for report in seen] == [(c, d, d < 20) for c in range(2) for d in range(50)]
    assert set(seen[0][3]) == {"nstep_out", "nstep_in"}


def test_without_a_start_it_is_said_why():
    with pytest.raises(
        ParameterError, match=r"none of 20 prior draws.*0 solves failed, 20 points.*nothing there"
    ):
        sample(straight(-1e9, refuse), Settings(**QUICK, cores=0, starts=20))


def test_a_model_that_does_not_pickle_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(WiringError, match="no lambdas"):
        sample(straight(0.0, lambda values: values), Settings(**QUICK, cores=1), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_without_a_word_is_an_error(tmp_path):
    with pytest.raises(ChainDied, match="chain 0 ended with status 7 without a message"):
        sample(straight(0.0, vanish), Settings(**QUICK, cores=1), tmp_path)


UNGUARDED = """
import sys
sys.path.insert(0, {folder!r})
from known_posteriors import straight
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings

settings = Settings("slice", draws=10, tune=0, chains=1, cores=1, seed=3)
sample(straight(), settings, identity="a job that fills the pipe" * {size})
"""


@pytest.mark.parametrize("size", [1, 10**6])
def test_a_script_without_a_guard_is_told_what_it_lacks(size, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(UNGUARDED.format(folder=str(Path(__file__).parent), size=size))
    command = [sys.executable, str(script)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=90)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert "ChainDied: the process of chain 0 ended with status 1 without a message" in last
    assert "if __name__ == '__main__':" in last


def test_what_others_put_into_the_environment_meanwhile_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with environment():
        os.environ["SET_BY_ANOTHER_THREAD"] = "yes"
    assert os.environ.pop("SET_BY_ANOTHER_THREAD", None) == "yes"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_unfinished_chains_are_not_collected(tmp_path):
    class Enough(Exception):
        pass

    def stop(chain, draw, tuning, stats):
        if draw == 30:
            raise Enough

    with pytest.raises(Enough):
        sample(straight(), Settings(**QUICK, cores=0), tmp_path, on_progress=stop)
    assert records(tmp_path) == 32
    samples = sample(straight(), Settings(**QUICK, cores=0), tmp_path)
    assert samples.draws["level"].shape == (2, 30)


def test_a_chain_damaged_in_the_middle_is_refused_and_left_as_it_is(tmp_path):
    sample(straight(), Settings(**QUICK, cores=0), tmp_path)
    settings = Settings(**{**QUICK, "draws": 40}, cores=0)
    sample(straight(), settings, tmp_path)
    path = tmp_path / "chain-0" / DRAWS
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1  # before both checkpoints
    path.write_bytes(damaged)
    with pytest.raises(RunError, match=r"draws.log is damaged at byte \d+, and good records lie behind"):
        sample(straight(), settings, tmp_path)
    assert path.read_bytes() == damaged


def test_damage_behind_the_checkpoint_costs_nothing(tmp_path):
    settings = Settings(**QUICK, cores=0)
    sample(straight(), settings, tmp_path)
    path = tmp_path / "chain-0" / DRAWS
    whole = path.read_bytes()
    path.write_bytes(whole + b"half" + frame(b"what a power cut has left behind it"))
    samples = sample(straight(), settings, tmp_path)
    assert path.read_bytes() == whole
    assert samples.draws["level"].shape == (2, 30)
