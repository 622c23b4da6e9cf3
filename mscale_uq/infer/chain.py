"""Runs one chain in its folder, in this process."""

from importlib import import_module

from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.store import ChainStore


def run_chain(job: Job, report: Report) -> None:
    """Run or continue a chain until it is done or `report` says stop; what it makes is in its folder.

    Raises
    ------
    RunError
        If the folder belongs to another chain.
    Exception
        A model's own, if it has a bug.
    """
    with ChainStore(job.folder, job.header) as store:
        if store.draws == job.total or (job.method.resumable and store.draws > job.total):
            return
        if not job.method.resumable:
            store.restart()
        import_module(f"mscale_uq.infer.{job.settings.sampler}").run(job, store, report)
