"""Tasks on several workers, with results that depend neither on their number nor on one that dies.

A task carries its own seed and knows nothing of others, so that where and when it runs changes nothing.
Tasks are handed out in chunks of at least `SHORTEST` seconds, by the time that earlier ones took, so that
sending them costs little beside them; results come in the order of the tasks. Their function, which may hold
a whole posterior, is unpickled once in each process: that takes as long as two of its gradients.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from math import ceil
from multiprocessing.reduction import ForkingPickler
from time import perf_counter
from typing import Any, final

from mscale_uq.core.map import Map
from mscale_uq.errors import ChainDied, InputError, explain
from mscale_uq.infer.cluster import dask_cluster
from mscale_uq.infer.pool import process_pool

SHORTEST = 0.05  # seconds of a chunk
LONGEST = 1000  # tasks of a chunk
AHEAD = 4  # chunks handed out for each worker
DASK_AHEAD = 256  # chunks on a cluster: as many as a few dozen workers need
MOST_DEATHS = 3  # of processes, in one map; a task that ends its process would go on for ever

Tasks = list[tuple[Any, ...]]


@contextmanager
def workers(count: int, dask: str | None = None) -> Iterator[Map]:
    """Give a map over processes of this machine, or over a dask cluster; 0 processes: over none, here.

    Processes are started when the first task comes.

    Raises
    ------
    InputError
        If `count` is negative, or the cluster cannot be used.
    """
    if count < 0:
        raise InputError(explain(f"workers = {count}", "0 or more"))
    if dask is not None:
        with dask_cluster(dask) as cluster:
            yield _Workers(lambda _: cluster, DASK_AHEAD).map
    elif count:
        with ExitStack() as stack:

            def start(stack: ExitStack) -> Executor:
                return stack.enter_context(process_pool(count))

            yield _Workers(start, AHEAD * count, stack).map
    else:
        yield map


@contextmanager
def maybe_workers(count: int | None, dask: str | None) -> Iterator[Map | None]:
    """Give the map of the workers that were asked for; None if none were."""
    if count is None and dask is None:
        yield None
        return
    with workers(count or 0, dask) as mapping:
        yield mapping


@dataclass
class _Chunk:
    """Tasks, and what will be their results once they are handed out."""

    tasks: Tasks
    future: Future[tuple[list[Any], float]] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether a broken executor will not give its results any more."""
        future = self.future
        if future is None or not future.done() or future.cancelled():
            return True
        return isinstance(future.exception(), BrokenExecutor)


@final
class _Workers:
    """An executor that is started when it is needed, and again when it is broken.

    With a `stack`, which ends it, it is one of processes of this machine.
    """

    def __init__(
        self, start: Callable[[ExitStack], Executor], ahead: int, stack: ExitStack | None = None
    ) -> None:
        self._start, self._ahead, self._local = start, ahead, stack is not None
        self._stack = stack or ExitStack()
        self._executor: Executor | None = None

    def map(self, function: Callable[..., Any], *tasks: Iterable[Any]) -> Iterator[Any]:
        """Yield ``function(*task)`` for the tasks that the iterables make together, in order.

        Raises
        ------
        ChainDied
            If processes keep ending without a word.
        Exception
            The first that a task raises.
        """
        if self._local:  # a cluster pickles functions its own way
            run = partial(_run_packed, bytes(ForkingPickler.dumps(function)))
        else:
            run = partial(_run, function)
        waiting = zip(*tasks, strict=True)
        out: deque[_Chunk] = deque()
        size, deaths = 1, 0
        try:
            while True:
                while len(out) < self._ahead and (chunk := list(islice(waiting, size))):
                    out.append(_Chunk(chunk))
                if not out:
                    return
                try:
                    results, seconds = self._first(run, out)
                except BrokenExecutor:
                    deaths += 1
                    self._forget(out, deaths)
                    continue
                out.popleft()
                size = min(LONGEST, max(1, ceil(SHORTEST * len(results) / max(seconds, 1e-9))))
                yield from results
        finally:
            for one in out:
                if one.future is not None:
                    one.future.cancel()

    def _first(self, run: Callable[[Tasks], Any], out: deque[_Chunk]) -> tuple[list[Any], float]:
        """Hand out what is not, and return the results of the first chunk and how long they took.

        A process may have died before, between two maps or two results: then handing out fails already.
        """
        if self._executor is None:
            self._executor = self._start(self._stack)
        for one in out:
            if one.future is None:
                one.future = self._executor.submit(run, one.tasks)
        return out[0].future.result()  # type: ignore[union-attr]  # it was handed out above

    def _forget(self, out: deque[_Chunk], deaths: int) -> None:
        """Give up the broken executor, and what it has not finished."""
        if deaths > MOST_DEATHS:
            given = f"{deaths} processes ended without a message"
            usual = "out of memory, or a script that works outside `if __name__ == '__main__':`"
            raise ChainDied(explain(given, hint=usual))
        self._executor = None
        for one in out:
            if one.is_lost:
                one.future = None


def _run_packed(parcel: bytes, tasks: Tasks) -> tuple[list[Any], float]:
    return _run(_unpacked(parcel), tasks)


@lru_cache(maxsize=1)
def _unpacked(parcel: bytes) -> Callable[..., Any]:
    function: Callable[..., Any] = ForkingPickler.loads(parcel)
    return function


def _run(function: Callable[..., Any], tasks: Tasks) -> tuple[list[Any], float]:
    """Return the results of a chunk, and how long it took."""
    began = perf_counter()
    results = [function(*task) for task in tasks]
    return results, perf_counter() - began
