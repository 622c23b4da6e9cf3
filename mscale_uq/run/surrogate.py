"""How a run draws: by its sampler's chains, or by way of a surrogate that is built first."""

from pathlib import Path
from typing import Any

from mscale_uq.case.read import Case
from mscale_uq.core.map import Map
from mscale_uq.infer.chains import OnProgress, sample
from mscale_uq.infer.levels import Levels
from mscale_uq.infer.samples import Samples
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.surrogate import sample_corrected
from mscale_uq.results.candidate import pareto_smoothed
from mscale_uq.run.model_error import target
from mscale_uq.stats.flat import flattened
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.surrogate import Surrogate, surrogate_of
from mscale_uq.stats.surrogate_store import cache_folder

SUBCHAIN = 20  # steps on the surrogate for one exact solve, where delayed acceptance has to take over


def draw(
    case: Case,
    posterior: Posterior,
    settings: Settings,
    folder: Path,
    tell: OnProgress,
    mapping: Map | None = None,
) -> tuple[Samples, dict[str, Any] | None]:
    """Return the draws of a run, and what there is to say of a surrogate; None if none was used.

    Parameters
    ----------
    case, posterior
        What is sampled; the posterior may have learned errors in its laws.
    settings, folder, tell
        As for `sample`.
    mapping
        Runs the particles of SMC, and what a surrogate needs of the exact model; if None, the first part of
        that here, the rest by processes.
    """
    if settings.sampler != "surrogate":
        return sample(target(case, posterior), settings, folder, case.hash, tell, mapping), None
    levels, built = levels_of(case, posterior, mapping)
    found = sample_corrected(levels, settings, pareto_smoothed, folder, case.hash, tell, mapping)
    return found.samples, {
        "lines": [*map(str, built.parts), str(found)],
        "shape": found.shape,
        "efficiency": found.efficiency,
        "exact": found.exact,
        "fell_back": found.fell_back,
    }


def levels_of(case: Case, posterior: Posterior, mapping: Map | None = None) -> tuple[Levels, Surrogate]:
    """Return the posterior over its surrogate, and what that is made of; built, or found in the cache.

    Raises
    ------
    InputError
        If there is no surrogate.
    """
    home, identity = cache_folder(), case.identity["system"]
    built = surrogate_of(posterior, case.system.stretches, home, identity, map=mapping or map)
    return Levels(posterior, [flattened(built.posterior)], SUBCHAIN), built
