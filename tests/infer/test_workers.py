"""Results depend neither on how many workers there are, nor on one that dies, and tasks are not too short."""

import os
import signal
import time
from itertools import pairwise

import numpy as np
import pytest

from mscale_uq.errors import ChainDied, InputError
from mscale_uq.infer.pool import process_pool
from mscale_uq.infer.workers import workers

TASKS = 60


def drawn(seed, scale):
    """A number of the task's own."""
    time.sleep(0.002)
    return float(scale * np.random.default_rng(seed).normal())


def drawn_by_mortals(seed, folder):
    """The same; the process of the tenth task is killed the first time."""
    mark = folder / "killed"
    if seed == 10 and not mark.exists():
        mark.write_text("once")
        os.kill(os.getpid(), signal.SIGKILL)
    return drawn(seed, 1.0)


def where(seed):
    time.sleep(0.001)
    return os.getpid(), seed


class Unpickled:
    """A task that notes on disk who unpickles it."""

    def __init__(self, file):
        self.file = file

    def __setstate__(self, state):
        self.__dict__.update(state)
        with self.file.open("a") as file:
            file.write(f"{os.getpid()}\n")

    def __call__(self, seed):
        return where(seed)


def at_large(name):
    """What a worker finds without being told: a number of NumPy's global generator, a variable."""
    return np.random.random(), os.environ.get(name)  # noqa: NPY002 - users' models may ask it


def suicide(seed):
    os._exit(7)


def refuse(seed):
    if seed == 5:
        raise ValueError("the fifth")
    return seed


HERE = [drawn(seed, 2.0) for seed in range(TASKS)]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_results_do_not_depend_on_how_many_workers_there_are(count):
    with workers(count) as mapping:
        assert list(mapping(drawn, range(TASKS), [2.0] * TASKS)) == HERE


def test_workers_have_global_random_numbers_of_their_own_and_the_variables_of_their_start(monkeypatch):
    found = []
    for said in ("before", "after"):  # the second is a fork of what the first has started
        monkeypatch.setenv("SAID", said)
        with process_pool(1) as pool:
            number, variable = pool.submit(at_large, "SAID").result()
        assert variable == said
        found.append(number)
    assert found[0] != found[1]


def test_a_worker_that_is_killed_in_the_middle_changes_nothing(tmp_path):
    with workers(2) as mapping:
        found = list(mapping(drawn_by_mortals, range(TASKS), [tmp_path] * TASKS))
    assert (tmp_path / "killed").exists()
    assert found == [one / 2 for one in HERE]


def test_a_worker_that_is_killed_while_it_waits_changes_nothing():
    """Between two maps, and between two results of one: what is handed out next finds the pool broken."""
    with workers(1) as mapping:
        ((process, _),) = mapping(where, [0])
        os.kill(process, signal.SIGKILL)
        time.sleep(0.3)
        numbers = []
        for process, number in mapping(where, range(200)):
            numbers.append(number)
            if number == 20:
                os.kill(process, signal.SIGKILL)
                time.sleep(0.3)
    assert numbers == list(range(200))


def test_tasks_of_a_task_that_always_kills_its_process_are_given_up(monkeypatch):
    monkeypatch.setattr("mscale_uq.infer.workers.MOST_DEATHS", 1)
    with workers(1) as mapping, pytest.raises(ChainDied, match="ended without a message"):
        list(mapping(suicide, range(3)))


def test_an_error_of_a_task_is_raised_as_it_is_and_the_map_can_be_used_again():
    with workers(1) as mapping:
        with pytest.raises(ValueError, match="the fifth"):
            list(mapping(refuse, range(20)))
        assert list(mapping(refuse, range(3))) == [0, 1, 2]


def test_short_tasks_travel_in_chunks():
    """A thousand tasks of a millisecond make chunks of fifty: few changes of process along the way."""
    with workers(2) as mapping:
        found = list(mapping(where, range(1000)))
    assert [seed for _, seed in found] == list(range(1000))
    changes = sum(a != b for (a, _), (b, _) in pairwise(found))
    assert changes < 100


def test_a_worker_unpickles_what_it_runs_once(tmp_path):
    file = tmp_path / "unpickled"
    with workers(2) as mapping:
        found = list(mapping(Unpickled(file), range(300)))
    unpickled = file.read_text().split()
    assert len(set(unpickled)) == len(unpickled) == len({process for process, _ in found})


def test_a_map_that_is_not_used_starts_nothing(monkeypatch):
    monkeypatch.setattr("mscale_uq.infer.workers.process_pool", None)
    with workers(2):
        pass


def test_less_than_no_worker_is_refused():
    with pytest.raises(InputError, match=r"workers = -1; allowed: 0 or more"), workers(-1):
        pass
