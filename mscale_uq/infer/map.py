"""The most probable unknowns: the mode of the posterior density in physical coordinates."""

from mscale_uq.infer.density import Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.optimum import find_mode
from mscale_uq.infer.store import ChainStore


def run(job: Job, store: ChainStore, report: Report) -> None:  # noqa: ARG001
    """Write the mode as the only draw; chains that agree are a sign that there is one mode."""
    density = Density(job.target, Ledger(job.chain), job.method.gradient)
    (rng,) = job.generators(1)
    mode = find_mode(density, density.function(jacobian=False), rng, job.settings.starts)
    store.append(mode.z, density.physical(mode.z), [mode.value])
    store.save(density.ledger, mode.z, extras={"trouble": mode.trouble})
