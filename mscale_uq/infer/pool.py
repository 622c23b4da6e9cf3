"""Processes for tasks that sample on their own, such as the runs of a calibration."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from mscale_uq.infer.chains import environment


@contextmanager
def process_pool(cores: int) -> Iterator[ProcessPoolExecutor]:
    """Give `cores` spawned processes of one thread each; its `map` is what `map=` arguments take."""
    with environment(), ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        yield pool
