"""Tasks on the workers of a dask cluster, on as many machines as it has, through the `map` of an executor."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from mscale_uq.errors import InputError, explain

PATIENCE = 10  # seconds in which a scheduler answers
START = "`dask scheduler` on one machine, `dask worker ADDRESS --nthreads 1` on each that is to help"


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """Give an executor whose `map` runs tasks on the workers of a scheduler, and returns them in order.

    A task whose worker dies is run again by another; a task carries its own seed, so that this changes no
    result. The workers need the same versions of all packages. Needs the extra ``distributed``.

    Raises
    ------
    InputError
        If the extra is not there, nobody answers, or the workers cannot run a model: none has come, or one
        has several threads, in which compiled models would share their working memory.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise InputError(
            explain("dask is not installed", "one that is", "pip install 'mscale_uq[distributed]'")
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        given = f"dask = {address!r}: {str(error).splitlines()[0] if str(error) else 'nobody answers'}"
        raise InputError(
            explain(given, "the address of a scheduler, such as tcp://10.0.0.1:8786", START)
        ) from None
    with client:
        _check_workers(client, address)
        executor = client.get_executor(pure=False)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def _check_workers(client: Any, address: str) -> None:
    threads = client.nthreads()
    if not threads:
        raise InputError(explain(f"dask = {address!r} has no workers", "at least one", START))
    several = [worker for worker, number in threads.items() if number != 1]
    if several:
        raise InputError(
            explain(f"{several[0]} has {threads[several[0]]} threads", "workers of one thread", START)
        )
