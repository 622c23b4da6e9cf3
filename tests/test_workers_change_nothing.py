"""What has no order gives the same with any number of workers: ensembles, surrogates, calibrations."""

import os
import signal
from multiprocessing import active_children

import numpy as np
import pytest
from known_line import write_case
from typer.testing import CliRunner

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.cli.commands import app
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.workers import workers
from mscale_uq.run.assimilate import take_in
from mscale_uq.run.calibration import calibrate_sampler
from mscale_uq.run.method import with_changes
from mscale_uq.stats.predictive import predict

pytestmark = pytest.mark.usefixtures("toys")


def members(mapping):
    """The ensemble of a ring of weather, at every time."""
    return take_in(read_case(find_case("lorenz96")), map=mapping).data


def test_an_ensemble_that_moves_in_blocks_is_the_one_that_moves_as_a_whole():
    blocks, whole = members(map), members(None)
    for name in ("filtered_parameter", "filtered_mean"):
        assert np.allclose(blocks[name], whole[name], rtol=1e-6)


@pytest.mark.slow
def test_an_ensemble_moves_alike_with_any_number_of_workers():
    here = members(map)
    for count in (2, 3):
        with workers(count) as mapping:
            assert members(mapping).equals(here)


@pytest.mark.slow
def test_particles_and_predictions_are_alike_with_any_number_of_workers(tmp_path):
    posterior = read_case(write_case(tmp_path)).posterior()

    def found(mapping):
        settings = Settings(sampler="smc", draws=100, chains=1, cores=0, seed=3)
        samples = sample(posterior, settings, map=mapping)
        thetas = np.stack([draws[0] for draws in samples.draws.values()], axis=1)
        made = predict(posterior, thetas, np.random.default_rng(0), map=mapping)
        tables = (made.predicted, made.replicated, made.pointwise)
        arrays = [samples.log_evidence, thetas, *(array for table in tables for array in table.values())]
        counts = samples.evaluations.tolist(), samples.requests.tolist()
        return [array.tobytes() for array in arrays], counts

    here = found(map)
    for count in (1, 2, 3):
        with workers(count) as mapping:
            assert found(mapping) == here


def ranks(folder, on_run=None, cores=0):
    case = with_changes(read_case(write_case(folder)), {"sampler": "pcn", "tune": 20, "cores": cores})
    calibrate_sampler(case, 20, out=folder / "run", draws=190, kept=19, on_run=on_run)
    return (folder / "run" / "ranks.csv").read_bytes()


@pytest.mark.slow
def test_a_calibration_goes_on_when_a_process_is_killed_and_ranks_are_the_same(tmp_path):
    killed = []

    def kill(done, of):
        if done == 5:
            killed.append(active_children()[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    assert ranks(tmp_path / "there", kill, cores=2) == ranks(tmp_path / "here")
    assert killed


@pytest.mark.parametrize("command", ["fit", "assimilate"])
def test_workers_that_cannot_be_are_told_in_one_line(command, tmp_path):
    case = "lorenz96"
    done = CliRunner().invoke(app, [command, case, "--out", str(tmp_path / "run"), "--workers", "-1"])
    assert done.exit_code == 3
    assert "workers = -1; allowed: 0 or more" in done.output
    assert not (tmp_path / "run" / "case.toml").exists()
