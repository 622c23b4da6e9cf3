"""Runs the chains of a sampler: a fresh process each, some at a time, or here one after another."""

import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import final

from mscale_uq.core.map import Map
from mscale_uq.errors import ChainDied, WiringError, explain
from mscale_uq.infer import worker
from mscale_uq.infer.chain import run_chain
from mscale_uq.infer.job import Job
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.samples import Samples, collect
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.target import Target

# (chain, draw, whether it is a tuning draw, statistics)
OnProgress = Callable[[int, int, bool, dict[str, float]], None]

PATIENCE = 10.0  # seconds for a chain to stop at a draw before it is stopped by force
# Chains are the parallelism; threads inside them would fight for the same cores. No C compiler for PyTensor:
# everything is compiled by Numba, and a compiler would make chains wait for each other.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


def sample(
    target: Target,
    settings: Settings,
    folder: Path | None = None,
    identity: str = "",
    on_progress: OnProgress | None = None,
    map: Map | None = None,
) -> Samples:
    """Draw from a posterior, going on where an earlier call in the same folder stopped.

    Parameters
    ----------
    target
        What to sample; must pickle, made of module-level functions and classes.
    settings
        Sampler, length, seed, cores.
    folder
        Where the chains live; a temporary one, gone afterwards, if None.
    identity
        Stands for everything that must be unchanged to go on: case, data, priors.
    on_progress
        Called a few times a second, here, with chain, draw, tuning and statistics.
    map
        Runs independent evaluations of one chain, where its method `spreads`; chains then run here, one after
        another. It changes no draw.

    Raises
    ------
    RunError
        If the folder holds another run.
    ChainDied
        If a chain's process ends without a word; the same call goes on from the last checkpoint.
    WiringError
        If the target does not pickle.
    ParameterError
        If no prior draw has a likelihood.
    Exception
        A model's own, if it has a bug; the draws so far stay in the folder.
    """
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        jobs = [
            Job(target, settings, chain, home / f"chain-{chain}", identity)
            for chain in range(settings.chains)
        ]
        tell = on_progress or _silent
        if map is not None and METHODS[settings.sampler].spreads:
            _run_here([replace(job, map=map) for job in jobs], tell)
        elif settings.cores:
            _run_processes(jobs, settings.cores, tell)
        else:
            _run_here(jobs, tell)
        return collect(jobs)


def _silent(chain: int, draw: int, tuning: bool, stats: dict[str, float]) -> None:
    """Tell nobody."""


def _run_here(jobs: list[Job], tell: OnProgress) -> None:
    for job in jobs:
        run_chain(job, _Listener(job.chain, tell))


@final
@dataclass(frozen=True)
class _Listener:
    """Passes a chain's reports on, in the same process."""

    chain: int
    tell: OnProgress

    def __call__(self, draw: int, tuning: bool, stats: dict[str, float]) -> bool:
        self.tell(self.chain, draw, tuning, stats)
        return True


def _run_processes(jobs: list[Job], cores: int, tell: OnProgress) -> None:
    waiting = [(job, _pickled(job)) for job in jobs]
    running: dict[Connection, tuple[Job, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < cores:
                job, content = waiting.pop(0)
                connection, process = _start()
                running[connection] = job, process
                _hand_over(content, connection, job, process)
            ready = set(map(id, wait(list(running))))
            for connection in [each for each in running if id(each) in ready]:
                if _listen(connection, *running[connection], tell):
                    running.pop(connection)[1].join()
    finally:
        _stop(running)


def _pickled(job: Job) -> bytes:
    try:
        return bytes(ForkingPickler.dumps(job))
    except (AttributeError, TypeError, ValueError, pickle.PicklingError) as error:
        given = f"the model cannot be sent to another process: {error}"
        raise WiringError(
            explain(given, hint="use functions of a module, no lambdas, or cores = 0")
        ) from error


def _start() -> tuple[Connection, BaseProcess]:
    context = fresh_processes()
    here, there = context.Pipe()
    with environment() as variables:
        process = context.Process(target=worker.main, args=(there, variables), daemon=True)
        process.start()
    there.close()
    return here, process


def _hand_over(content: bytes, connection: Connection, job: Job, process: BaseProcess) -> None:
    try:
        connection.send_bytes(content)
    except ConnectionError:
        raise _died(job, process) from None


def fresh_processes() -> "ForkServerContext | SpawnContext":
    """Return what starts processes that share nothing with this one, and send nothing but pickles.

    Importing PyMC takes seconds of a core. On Linux one process imports it, and each chain and worker is a
    fork of that, which has no model, thread or lock of this one; elsewhere each imports it anew, since
    system libraries do not survive a fork there. What libraries read on import, such as the number of their
    threads, is that of the first start; if a script has begun forks of its own before, it is the script's.
    """
    if sys.platform != "linux":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["pymc"])
    return context


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Set the children's environment while one starts, and give it: a fork has that of an earlier start."""
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    changes = {**ENVIRONMENT, "PYTENSOR_FLAGS": flags if "cxx=" in flags else f"{flags},cxx=".strip(",")}
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield dict(os.environ)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _listen(connection: Connection, job: Job, process: BaseProcess, tell: OnProgress) -> bool:
    """Take one message; return whether the chain is done.

    Raises
    ------
    ChainDied
        If the process is gone without a word.
    """
    try:
        kind, *content = connection.recv()
    except (EOFError, ConnectionError):  # the latter if it has not read its job
        raise _died(job, process) from None
    if kind == "error":
        error, text = content
        raise error from Remote(text)
    if kind == "draw":
        tell(job.chain, *content)
    return kind == "done"


def _died(job: Job, process: BaseProcess) -> ChainDied:
    process.join()
    given = f"the process of chain {job.chain} ended with status {process.exitcode} without a message"
    usual = "out of memory, or a script that samples outside `if __name__ == '__main__':`"
    return ChainDied(explain(given, hint=f"{usual}; the same run goes on from here"))


@final
class Remote(Exception):
    """The traceback of an exception in a chain's process, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _stop(running: dict[Connection, tuple[Job, BaseProcess]]) -> None:
    """Ask chains to stop at a draw, with a checkpoint; stop those by force that do not."""
    for connection in running:
        with suppress(OSError):
            connection.send("stop")
    for _, process in running.values():
        process.join(PATIENCE)
        if process.is_alive():
            process.terminate()
            process.join()
