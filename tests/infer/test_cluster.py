"""Runs on a dask cluster are those of this process, however many workers it has, and if one dies."""

import os
import signal
import threading

import pytest
from known_line import write_case

from mscale_uq.case.read import read_case
from mscale_uq.errors import InputError
from mscale_uq.infer.cluster import dask_cluster
from mscale_uq.run.calibration import calibrate_sampler
from mscale_uq.run.method import with_changes

pytestmark = pytest.mark.usefixtures("toys")
distributed = pytest.importorskip("distributed")
RUNS = 20
# dask closes its sockets and event loops from other threads, some of them late.
quiet = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def ranks(folder, **given):
    case = with_changes(read_case(write_case(folder)), {"sampler": "pcn", "tune": 20, "cores": 0})
    calibrate_sampler(case, RUNS, out=folder / "run", draws=190, kept=19, **given)
    return (folder / "run" / "ranks.csv").read_bytes()


@pytest.fixture(scope="module")
def here(toys, tmp_path_factory):
    return ranks(tmp_path_factory.mktemp("here"))


def cluster(workers, threads=1):
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=threads, dashboard_address=None, processes=True
    )


@quiet
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])  # two: below, and one of them is killed
def test_ranks_do_not_depend_on_how_many_workers_there_are(workers, here, tmp_path):
    with cluster(workers) as there:
        assert ranks(tmp_path, dask=there.scheduler_address) == here


@quiet
@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_changes_nothing(here, tmp_path):
    with cluster(2) as there:
        victim = next(iter(there.workers.values())).process.pid
        killed = threading.Event()

        def kill(done, of):
            if done == 5:
                os.kill(victim, signal.SIGKILL)
                killed.set()

        assert ranks(tmp_path, dask=there.scheduler_address, on_run=kill) == here
        assert killed.is_set()


@quiet
@pytest.mark.slow
def test_workers_of_several_threads_are_refused_and_nothing_is_written(tmp_path):
    with (
        cluster(1, threads=2) as there,
        pytest.raises(InputError, match="2 threads; allowed: workers of one"),
    ):
        ranks(tmp_path, dask=there.scheduler_address)
    assert not (tmp_path / "run").exists()


@quiet
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", ""])
def test_an_address_where_nobody_answers_is_told_in_one_line(address, monkeypatch):
    monkeypatch.setattr("mscale_uq.infer.cluster.PATIENCE", 0.5)
    with pytest.raises(InputError, match="the address of a scheduler") as caught, dask_cluster(address):
        pass
    assert "\n" not in str(caught.value)
