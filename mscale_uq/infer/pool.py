"""Processes for tasks that sample on their own, such as the runs of a calibration."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from mscale_uq.infer import worker
from mscale_uq.infer.chains import environment, fresh_processes


@contextmanager
def process_pool(cores: int) -> Iterator[ProcessPoolExecutor]:
    """Give `cores` fresh processes of one thread each; its `map` is what `map=` arguments take.

    They end with this process, however it ends; what has not begun when an error comes is not begun.
    """
    with environment() as variables:
        context = fresh_processes()
        with ProcessPoolExecutor(cores, context, worker.attach, (variables,)) as pool:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
