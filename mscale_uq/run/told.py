"""What a run says of combinations of its unknowns."""

from dataclasses import replace
from typing import Any

from mscale_uq.case.read import Case
from mscale_uq.diagnose.identifiability_text import drawn
from mscale_uq.diagnose.told import told_by_draws
from mscale_uq.infer.methods import METHODS
from mscale_uq.infer.samples import Samples
from mscale_uq.report.text import words
from mscale_uq.results.entries import entry_labels
from mscale_uq.results.summary import least_ess
from mscale_uq.stats.posterior import Posterior


def told_facts(case: Case, posterior: Posterior, samples: Samples) -> dict[str, Any]:
    """Return what the draws tell and which pairs they entangle; empty for one unknown, or a point."""
    if METHODS[samples.sampler].single or posterior.size < 2:
        return {}
    told = told_by_draws(posterior, samples.draws, least_ess(samples.draws))
    if isinstance(told, str):
        return {"told": drawn(told), "entangled": []}
    named = replace(told, names=tuple(map(words, entry_labels(case, posterior.variables))))
    return {"told": drawn(named), "entangled": named.entangled}
