"""The table of samplers, and how one is chosen."""

from dataclasses import dataclass
from typing import final

from mscale_uq.core.system import Smoothness
from mscale_uq.errors import CaseError, explain, near_match


@final
@dataclass(frozen=True)
class Method:
    """Facts about a sampler.

    Attributes
    ----------
    gradient
        Needs an exact derivative.
    resumable
        Goes on exactly where it was interrupted; the others start over from their seed.
    tunes
        Its tuning draws are in the draw log, before the others.
    adapts
        Finds the length of its steps in its tuning draws, and does not work without.
    stats
        Statistics of each draw.
    single
        Makes one draw, however many are asked for.
    shears
        Walks in effective coordinates, where a system declares a scale.
    composed
        Made of chains of other methods, for one data set; has no step of its own.
    spreads
        Evaluations of one step are independent, and may go to workers.
    """

    gradient: bool
    resumable: bool
    tunes: bool
    stats: tuple[str, ...]
    single: bool = False
    shears: bool = False
    composed: bool = False
    spreads: bool = False
    adapts: bool = False


# A method's code is `run(job, store, report)` in the module of its name beside this one; that of the composed
# `surrogate` is `sample_corrected` there.
METHODS: dict[str, Method] = {
    "nuts": Method(
        gradient=True,
        resumable=True,
        tunes=True,
        shears=True,
        adapts=True,
        stats=(
            "lp", "acceptance_rate", "diverging", "energy", "energy_error", "max_energy_error", "n_steps",
            "step_size", "step_size_bar", "tree_depth", "index_in_trajectory", "reached_max_treedepth",
        ),
    ),
    "demetropolisz": Method(
        gradient=False,
        resumable=True,
        tunes=True,
        adapts=True,
        stats=("acceptance_rate", "accepted", "scaling", "lambda"),
    ),
    "slice": Method(gradient=False, resumable=True, tunes=True, stats=("nstep_out", "nstep_in")),
    "pcn": Method(
        gradient=False,
        resumable=True,
        tunes=True,
        adapts=True,
        stats=("acceptance_rate", "accepted", "scale"),
    ),
    "mlda": Method(
        gradient=False,
        resumable=True,
        tunes=True,
        adapts=True,
        stats=("acceptance_rate", "accepted", "scale", "coarse_acceptance_rate"),
    ),
    "smc": Method(
        gradient=False, resumable=False, tunes=False, spreads=True, stats=("log_likelihood", "log_prior")
    ),
    "map": Method(gradient=True, resumable=False, tunes=False, stats=("lp",), single=True),
    "laplace": Method(gradient=True, resumable=False, tunes=False, stats=("lp", "log_ratio")),
    "nutpie": Method(
        gradient=True,
        resumable=False,
        tunes=False,
        shears=True,
        adapts=True,
        stats=(
            "lp", "acceptance_rate", "diverging", "energy", "energy_error", "n_steps", "step_size",
            "tree_depth",
        ),
    ),
    "surrogate": Method(
        gradient=True,
        resumable=True,
        tunes=True,
        shears=True,
        composed=True,
        adapts=True,
        stats=("log_ratio", "diverging"),
    ),
}  # fmt: skip

# Smoothness of a system -> the sampler it gets if nobody asks for one.
DEFAULTS: dict[Smoothness, str] = {
    "smooth": "nuts",
    "piecewise": "demetropolisz",
    "stochastic": "demetropolisz",
}

# Why that one.
REASONS: dict[Smoothness, str] = {
    "smooth": "the system has exact derivatives",
    "piecewise": "the system is smooth in pieces only, and this sampler needs no derivative",
    "stochastic": "the system is random, and this sampler needs no derivative",
}


def choose(smoothness: Smoothness, wanted: str | None = None) -> str:
    """Return the sampler for a system of the given smoothness class.

    Raises
    ------
    CaseError
        If the wanted sampler does not exist, or needs a derivative that the system does not have.
    """
    if wanted is None:
        return DEFAULTS[smoothness]
    if wanted not in METHODS:
        raise CaseError(explain(f"sampler {wanted!r}{near_match(wanted, METHODS)}", ", ".join(METHODS)))
    if METHODS[wanted].gradient and smoothness != "smooth":
        fitting = [name for name, method in METHODS.items() if not method.gradient]
        raise CaseError(
            explain(
                f"sampler {wanted!r} needs derivatives, and the system is {smoothness}",
                ", ".join(fitting),
                f"leave the sampler out to get {DEFAULTS[smoothness]!r}",
            )
        )
    return wanted


def check_tuning(sampler: str, tune: int) -> None:
    """Refuse a sampler without tuning draws that finds the length of its steps in them.

    Raises
    ------
    CaseError
        If it gets none.
    """
    if tune == 0 and METHODS[sampler].adapts:
        others = ", ".join(repr(name) for name, method in METHODS.items() if not method.adapts)
        given = f"tune = 0, and sampler {sampler!r} finds the length of its steps while it tunes"
        raise CaseError(explain(given, "at least 1, better 500", f"without tuning: {others}"))
