"""Tasks on several workers, with results that depend neither on their number nor on one that dies.

A task carries its own seed and knows nothing of others, so that where and when it runs changes nothing.
Tasks are handed out in chunks of at least `SHORTEST` seconds, by the time that earlier ones took, so that
sending them costs little beside them; results come in the order of the tasks.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack, contextmanager
from itertools import islice
from math import ceil
from time import perf_counter
from typing import Any, final

from mscale_uq.errors import ChainDied, InputError, explain
from mscale_uq.infer.cluster import dask_cluster
from mscale_uq.infer.pool import process_pool

SHORTEST = 0.05  # seconds of a chunk
LONGEST = 1000  # tasks of a chunk
AHEAD = 4  # chunks handed out for each worker
DASK_AHEAD = 256  # chunks on a cluster: as many as a few dozen workers need
MOST_DEATHS = 3  # of processes, in one map; a task that ends its process would go on for ever

# function, tasks -> results in order
Map = Callable[..., Iterable[Any]]
Chunk = list[tuple[Any, ...]]


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


@final
class _Workers:
    """An executor that is started when it is needed, and again when it is broken."""

    def __init__(
        self, start: Callable[[ExitStack], Executor], ahead: int, stack: ExitStack | None = None
    ) -> None:
        self._start, self._ahead = start, ahead
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
        waiting = zip(*tasks, strict=True)
        out: deque[tuple[Chunk, Future[Any]]] = deque()
        size, deaths = 1, 0
        try:
            while True:
                while len(out) < self._ahead and (chunk := list(islice(waiting, size))):
                    out.append((chunk, self._submit(function, chunk)))
                if not out:
                    return
                try:
                    results, seconds = out[0][1].result()
                except BrokenExecutor:
                    deaths += 1
                    self._revive(function, out, deaths)
                    continue
                chunk, _ = out.popleft()
                size = min(LONGEST, max(size, ceil(SHORTEST * len(chunk) / max(seconds, 1e-9))))
                yield from results
        finally:
            for _, future in out:
                future.cancel()

    def _submit(self, function: Callable[..., Any], chunk: Chunk) -> Future[Any]:
        if self._executor is None:
            self._executor = self._start(self._stack)
        return self._executor.submit(_run, function, chunk)

    def _revive(
        self, function: Callable[..., Any], out: deque[tuple[Chunk, Future[Any]]], deaths: int
    ) -> None:
        """Start a new executor, and hand out again what the broken one has not finished."""
        if deaths > MOST_DEATHS:
            given = f"{deaths} processes ended without a message"
            usual = "out of memory, or a script that works outside `if __name__ == '__main__':`"
            raise ChainDied(explain(given, hint=usual))
        self._executor = None
        for place, (chunk, future) in enumerate(out):
            if not future.done() or future.cancelled() or isinstance(future.exception(), BrokenExecutor):
                out[place] = chunk, self._submit(function, chunk)


def _run(function: Callable[..., Any], chunk: Chunk) -> tuple[list[Any], float]:
    """Return the results of a chunk, and how long it took."""
    began = perf_counter()
    results = [function(*task) for task in chunk]
    return results, perf_counter() - began
