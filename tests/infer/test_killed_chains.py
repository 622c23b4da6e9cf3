"""Chains whose parent is killed or interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from known_posteriors import (
    refuse,
    straight,
)

from mscale_uq.files import read_records
from mscale_uq.infer.chains import sample
from mscale_uq.infer.records import DRAWS
from mscale_uq.infer.settings import Settings


def records(folder):
    return len(read_records(folder / "chain-0" / DRAWS).payloads)


SCRIPT = """
import signal
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from known_posteriors import sleep, straight
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for jobs in the background
    target = straight(-1e9, sleep)
    sample(target, Settings("slice", draws=100_000, tune=0, chains=1, cores=1, seed=3), Path({out!r}))
"""


def started(tmp_path):
    """Start a long run in a process of its own; return it once its chain draws, with the chain's process."""
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.format(folder=str(Path(__file__).parent), out=str(tmp_path / "out")))
    parent = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONWARNINGS": "ignore"})
    deadline = time.monotonic() + 90
    while records(tmp_path / "out") < 5:
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.2)
    servers = [
        child
        for child in children_of(parent.pid)
        if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return parent, [int(chain) for server in servers for chain in children_of(server)]


def children_of(process):
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_a_chain_ends_within_five_seconds_of_its_parent_being_killed(tmp_path):
    parent, chains = started(tmp_path)
    assert len(chains) == 1
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while any(alive(chain) for chain in chains) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(chain) for chain in chains)


HOLDING = """
import os
import sys
from pathlib import Path
from mscale_uq.infer.chains import fresh_processes
from mscale_uq.infer.worker import attach


def hold(told):
    attach(dict(os.environ))
    Path(told).touch()
    sum(range(10**12))  # one call of compiled code, hours long, in which no other thread gets a turn


if __name__ == "__main__":
    child = fresh_processes().Process(target=hold, args=(sys.argv[1],))
    child.start()
    print(child.pid, flush=True)
    child.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's signal of a parent's death")
def test_a_solver_that_holds_the_interpreter_does_not_keep_a_chain_alive(tmp_path):
    (tmp_path / "hold.py").write_text(HOLDING)
    command = [sys.executable, str(tmp_path / "hold.py"), str(tmp_path / "told")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with parent.stdout as said:
        child = int(said.readline())
    try:
        waited_for(lambda: (tmp_path / "told").exists(), 60)
        time.sleep(0.2)
        parent.kill()
        parent.wait()
        waited_for(lambda: not alive(child), 5)
    finally:
        if alive(child):
            os.kill(child, signal.SIGKILL)


def waited_for(happened, seconds):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_an_interrupt_leaves_a_checkpoint_behind_every_draw(tmp_path):
    parent, chains = started(tmp_path)
    parent.send_signal(signal.SIGINT)
    parent.wait(timeout=100)
    assert not any(alive(chain) for chain in chains)
    before = records(tmp_path / "out")
    settings = Settings("slice", draws=before - 1, tune=0, chains=1, cores=0, seed=3)
    # Nothing is left to do, so the model is not asked: it would be refused.
    samples = sample(straight(-1e9, refuse), settings, tmp_path / "out")
    assert samples.draws["level"].shape == (1, before - 1)
