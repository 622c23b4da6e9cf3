"""The No-U-Turn sampler of nutpie (optional): faster than PyMC's, but it cannot go on where it stopped.

nutpie takes an exception from a density for a divergence or for a reason to abort the process, so none gets
there: a point without a likelihood has density zero, and after a bug in the model every point has, until
nutpie is through; then the bug is raised.
"""

from functools import partial
from importlib import import_module
from typing import Any, final

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import CaseError, explain
from mscale_uq.infer.density import Density
from mscale_uq.infer.job import Job, Report
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.shear import shear_of
from mscale_uq.infer.store import ChainStore

NAMES = {
    "logp": "lp",
    "mean_tree_accept": "acceptance_rate",
    "diverging": "diverging",
    "energy": "energy",
    "energy_error": "energy_error",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "depth": "tree_depth",
}


def run(job: Job, store: ChainStore, report: Report) -> None:
    """Run a chain from its beginning to its end.

    Raises
    ------
    CaseError
        If nutpie is not installed.
    """
    nutpie = _nutpie()
    density = Density(job.target, Ledger(job.chain), job.method.gradient, shear_of(job.target, job.settings))
    for_start, for_chain = job.generators(2)
    start = density.find_start(for_start, job.settings.starts)
    course = Course(density, job, report)
    settings = _settings(job, seed=int(for_chain.integers(2**31)))
    trace = density.call(partial(nutpie.sample, _model(course, start), **settings))
    if density.likelihood.error is not None:
        raise density.likelihood.error
    if course.stopped:
        return
    stats = [np.asarray(trace.sample_stats[theirs])[0].astype(float) for theirs in NAMES]
    for z, row in zip(np.asarray(trace.posterior["z"])[0], np.array(stats).T, strict=True):
        store.append(z, density.physical(z), list(row))
    store.save(density.ledger, start)


@final
class Course:
    """What nutpie calls back: the density, and once per draw.

    Attributes
    ----------
    stopped
        Whether `report` said stop.
    """

    def __init__(self, density: Density, job: Job, report: Report) -> None:
        self._density = density
        self._function = density.function()
        self._tune = job.settings.tune
        self._report = report
        self._draws = 0
        self.stopped = False

    def log_density(self, z: Array) -> tuple[float, Array]:
        """Return log-density and gradient; -inf where there is none, and everywhere after a bug or a stop."""
        likelihood = self._density.likelihood
        if likelihood.error is None and not self.stopped:
            try:
                return self._function(np.array(z))
            except Exception as error:  # noqa: BLE001 - raised by `run`, see above
                likelihood.error = error
        return -np.inf, np.zeros(z.size)

    def record(self, z: Array) -> dict[str, Array]:
        """Take a draw; tuning draws come first."""
        self._density.ledger.draw = self._draws
        self.stopped |= not self._report(self._draws, self._draws < self._tune, {})
        self._draws += 1
        return {"z": np.array(z)}


def _settings(job: Job, seed: int) -> dict[str, Any]:
    return {
        "draws": job.settings.draws,
        "tune": job.settings.tune,
        "target_accept": job.settings.target_accept,
        "seed": seed,
        "chains": 1,
        "cores": 1,
        "progress_bar": False,
        "save_warmup": False,
    }


def _model(course: Course, start: Array) -> Any:
    compiled_pyfunc = import_module("nutpie.compiled_pyfunc")
    return compiled_pyfunc.from_pyfunc(
        ndim=start.size,
        make_logp_fn=lambda: course.log_density,
        make_expand_fn=lambda *_: course.record,
        expanded_dtypes=[np.dtype("float64")],
        expanded_shapes=[(start.size,)],
        expanded_names=["z"],
        make_initial_point_fn=lambda _: start.copy(),
    )


def _nutpie() -> Any:
    try:
        return import_module("nutpie")
    except ModuleNotFoundError:
        raise CaseError(
            explain("sampler 'nutpie' is not installed", hint="pip install 'mscale_uq[nutpie]', or use nuts")
        ) from None
