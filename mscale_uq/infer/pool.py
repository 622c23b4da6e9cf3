"""Processes for tasks that sample on their own, such as the runs of a calibration."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from mscale_uq.infer import worker
from mscale_uq.infer.chains import environment


@contextmanager
def process_pool(cores: int) -> Iterator[ProcessPoolExecutor]:
    """Give `cores` spawned processes of one thread each; its `map` is what `map=` arguments take.

    They end with this process, however it ends; what has not begun when an error comes is not begun.
    """
    spawn = get_context("spawn")
    with environment(), ProcessPoolExecutor(cores, mp_context=spawn, initializer=worker.attach) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
