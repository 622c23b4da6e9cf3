"""Live runs of the real command, killed with SIGKILL at random moments, end with the same bytes.

A kill counts only if the run was alive and its draw log had grown since this attempt began; what is killed is
the whole process group, the parent alone, or one chain's process. A quarter of the mass fails, so that the
failure ledger has to go on exactly as well. The moments are random on purpose and differ from run to run: the
claim is that none matters. A longer campaign, by hand: KILLS=20 pytest -m slow tests/test_kill.py
"""

import os
import random
import signal
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import pytest
from known_posteriors import NOISE, PLACES, PRIOR_MEAN, PRIOR_SD, READINGS, limit_with_mass_above
from typer.testing import CliRunner

from mscale_uq.cli.commands import app
from mscale_uq.files import read_records

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.usefixtures("toys"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc"),
]
KILLS = int(os.environ.get("KILLS", "3"))
LAST = 5.0  # seconds that children may live on without their parent
DRAWS_PER_KILL = {"nuts": 600, "demetropolisz": 8000, "slice": 800}
CASE = f"""
system = "toys/gate"
seed = 5

[[experiment]]
name = "line"
data = "line.csv"
options = {{ limit = {limit_with_mass_above(0.25)} }}

[law]
reading = {{ sd = {NOISE} }}

[prior]
level = {{ dist = "normal", mean = {PRIOR_MEAN[0]}, sd = {PRIOR_SD[0]} }}
slope = {{ dist = "normal", mean = {PRIOR_MEAN[1]}, sd = {PRIOR_SD[1]} }}

[method]
tune = 300
chains = 2
"""


@pytest.fixture
def case(tmp_path, monkeypatch):
    """Return the file of a case."""
    monkeypatch.setenv("TOY_GATE_COUNTER", os.devnull)
    rows = [f"{place},{reading}" for place, reading in zip(PLACES, READINGS, strict=True)]
    (tmp_path / "line.csv").write_text("\n".join(["place [m],reading [m]", *rows]) + "\n")
    (tmp_path / "gate.toml").write_text(CASE)
    return tmp_path / "gate.toml"


def command(case, out, sampler, cores):
    arguments = ["fit", case, "--out", out, "--sampler", sampler, "--cores", cores]
    draws = DRAWS_PER_KILL[sampler] * KILLS
    return [sys.executable, "-m", "mscale_uq", *map(str, arguments), "--draws", str(draws), "--quiet"]


def ended(arguments):
    """Run the command in this process to its end: nobody kills it, and chains need none of their own."""
    _, _, _, *options = arguments
    return CliRunner().invoke(app, options).exit_code


def started(arguments):
    return subprocess.Popen(arguments, start_new_session=True, stderr=subprocess.PIPE, text=True)


def logs(out):
    return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*.log"))}


def size(out):
    return sum(path.stat().st_size for path in out.rglob("draws.log"))


def children_of(process):
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def chains_of(parent):
    """Return the process numbers of a run's chains: forks of the child that has imported what they need."""
    servers = [c for c in children_of(parent.pid) if b"forkserver" in Path(f"/proc/{c}/cmdline").read_bytes()]
    return [int(chain) for server in servers for chain in children_of(server)]


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def grown(run, out, before):
    """Wait until the draw log is longer than before; return whether the run is then alive."""
    while run.poll() is None:
        if size(out) > before:
            time.sleep(random.uniform(0.0, 1.5))
            return run.poll() is None
        time.sleep(0.02)
    return False


def kill_group(run, chains):
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


def kill_parent(run, chains):
    run.kill()
    run.wait()
    deadline = time.monotonic() + LAST
    while any(map(alive, chains)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, chains))
    run.communicate()


def kill_chain(run, chains):
    """The others stop at a draw; the run says what happened, in a line."""
    os.kill(random.choice(chains), signal.SIGKILL)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "ended with status -9 without a message" in said
    assert said.count("\n") == 1
    assert not any(map(alive, chains))


WAYS = (kill_group, kill_parent, kill_chain)


@pytest.mark.parametrize("sampler", DRAWS_PER_KILL)
def test_killed_at_any_moment_a_run_ends_with_the_same_bytes(sampler, case, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "killed"
    out.mkdir()
    ended(command(case, whole, sampler, cores=0))
    killed = 0
    for kill in islice(cycle(WAYS), KILLS):
        before = size(out)
        run = started(command(case, out, sampler, cores=2))
        if not grown(run, out, before):
            run.communicate()
            break
        chains = [chain for chain in chains_of(run) if alive(chain)]
        if kill is kill_chain and not chains:
            kill = kill_group
        kill(run, chains)
        killed += 1
        assert not (out / "posterior.nc").exists()
    # A fast machine may be through before the last kill; with fewer than two nothing was tried.
    assert killed >= min(KILLS, 2), f"the run was through after {killed} kills"
    refused_and_untouched(case, out, sampler)
    assert ended(command(case, out, sampler, cores=0)) in (0, 4)
    assert len(logs(whole)) == 4
    assert logs(out) == logs(whole)
    assert (out / "failures.csv").read_bytes() == (whole / "failures.csv").read_bytes()


def test_a_killed_calibration_leaves_no_process_behind_and_ends_with_the_same_ranks(case, tmp_path):
    options = "--sampler pcn --runs 40 --draws 190 --kept 19 --tune 20 --quiet".split()
    whole, out = tmp_path / "whole", tmp_path / "killed"
    CliRunner().invoke(app, ["sbc", str(case), "--out", str(whole), *options, "--cores", "0"])
    arguments = [sys.executable, "-m", "mscale_uq", "sbc", str(case), "--out", str(out), *options]
    run = started([*arguments, "--cores", "2"])
    while run.poll() is None and not ((out / "ranks.log").is_file() and count(out / "ranks.log") > 5):
        time.sleep(0.02)
    assert run.poll() is None
    workers = chains_of(run)
    assert len(workers) == 2
    kill_parent(run, workers)
    done = count(out / "ranks.log")
    assert 5 < done < 41
    with started([*arguments, "--cores", "1"]) as run:
        run.communicate()
    assert run.returncode in (0, 4)
    assert (out / "ranks.csv").read_bytes() == (whole / "ranks.csv").read_bytes()


def count(log):
    return len(read_records(log).payloads)


def refused_and_untouched(case, out, sampler):
    """Another seed, prior or reading, and a half-finished run stays as it is."""
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    elsewhere = case.parent / "other"
    elsewhere.mkdir()
    data = (case.parent / "line.csv").read_text()
    other_seed, other_prior = (
        CASE.replace("seed = 5", "seed = 6"),
        CASE.replace(f"sd = {PRIOR_SD[0]}", f"sd = {1.1 * PRIOR_SD[0]}"),
    )
    assert CASE not in (other_seed, other_prior)
    for text, readings in ((other_seed, data), (other_prior, data), (CASE, data + "3,4.9\n")):
        (elsewhere / "gate.toml").write_text(text)
        (elsewhere / "line.csv").write_text(readings)
        assert ended(command(elsewhere / "gate.toml", out, sampler, cores=2)) == 3
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
