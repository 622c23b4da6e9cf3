"""The filters a case may name, and which of its settings each of them has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mscale_uq.case.filter_names import FILTERS
from mscale_uq.case.schema import AssimilateSpec
from mscale_uq.core.observation import Observation
from mscale_uq.core.stage import Values
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CaseError, explain, near_match
from mscale_uq.filters.analysis import Analysis
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.esmda import ESMDA
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.filter import Filter
from mscale_uq.filters.ienks import IEnKS
from mscale_uq.filters.inflation import Inflation
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.letkf import LETKF
from mscale_uq.filters.localisation import Localisation
from mscale_uq.filters.loop import prepared, start
from mscale_uq.filters.node_sum import GaussianSum, check
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.records import EnsembleState
from mscale_uq.filters.serial import Serial
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.sigma_rules import Cubature, Unscented
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.filters.whole import WholeStream, refuse_noise
from mscale_uq.io.units import to_unit

Given = Mapping[str, Any]  # the settings that a case names
PASSES = 20  # of the iterated filters
GAUSSIAN: Mapping[str, Callable[..., Filter]] = {
    "kalman": Kalman,
    "square_root": SquareRootKalman,
    "extended": ExtendedKalman,
    "iterated_extended": lambda **given: ExtendedKalman(iterations=PASSES, **given),
    "unscented": lambda **given: SigmaPointKalman(Unscented(), **given),
    "cubature": lambda **given: SigmaPointKalman(Cubature(), **given),
    "posterior_linearisation": lambda **given: SigmaPointKalman(Unscented(), PASSES, **given),
    "laplace": LaplaceKalman,
}
ANALYSES: Mapping[str, Callable[..., Analysis]] = {
    "stochastic": Stochastic,
    "etkf": ETKF,
    "denkf": DEnKF,
    "serial": Serial,
    "letkf": LETKF,
}
NOT_SMOOTHED = ("gaussian_sum", "ienks", "particle")
WIDENING = {
    "inflation_on_anomalies": "on_anomalies",
    "inflation_on_variance": "on_variance",
    "inflation_when": "when",
    "relax_to_prior_spread": "relax_to_prior_spread",
}
ENSEMBLE_SETTINGS = (
    "members",
    *WIDENING,
    "localisation_half_width",
    "rotation",
    "outlier_sd",
    "most_lost",
    "lag",
)
OTHERS: Mapping[str, tuple[str, ...]] = {
    "gaussian_sum": ("members",),
    "particle": ("members", "jitter"),
    "ienks": ("members", "lag", *WIDENING, "rotation"),
    "esmda": ("members", "alphas"),
}
ALL_SETTINGS = (*ENSEMBLE_SETTINGS, "jitter", "alphas")


def build_filter(spec: AssimilateSpec, space: StateSpace) -> Filter | WholeStream:
    """Return the filter a case asks for, for a state space that may hold parameters.

    Raises
    ------
    InputError
        If there is no such filter, it has not got a setting that is given, or a setting is impossible.
    """
    check_name(spec.filter)
    given = {name: value for name in ALL_SETTINGS if (value := getattr(spec, name)) is not None}
    known = settings_of(spec.filter)
    for name in given:
        if name not in known:
            raise CaseError(explain(f"{name}: {spec.filter!r} has no such setting", ", ".join(known)))
    if spec.smooth and spec.filter in NOT_SMOOTHED:
        allowed = ", ".join(name for name in FILTERS if name not in NOT_SMOOTHED)
        raise CaseError(explain(f"smooth: {spec.filter!r} does not look back", allowed))
    if "lag" in given and spec.filter in ANALYSES and not spec.smooth:
        raise CaseError(explain("lag: nothing looks back", "smooth = true", "or leave it out"))
    if spec.filter in MAKERS:
        return MAKERS[spec.filter](given)
    rest = _some(given, "rotation", "outlier_sd", "most_lost")
    return EnsembleKalman(_analysis(spec, space), inflation=_inflation(given), **_size(given), **rest)


def check_model(
    filter: Filter | WholeStream, space: StateSpace, theta: Values, observations: Sequence[Observation]
) -> None:
    """Refuse a model that the filter cannot run, as far as one step from its start and its sources tell.

    Filters that take any model are not asked; what the model fails at is told by the run.

    Raises
    ------
    InputError
        Saying what stands in the way.
    """
    if isinstance(filter, GaussianSum):
        check(space)
    later = [one for one in observations if one.time > space.start]
    if not later or not isinstance(filter, Kalman | SquareRootKalman | IEnKS | WholeStream):
        return
    time = later[0].time
    if isinstance(filter, Kalman | SquareRootKalman):
        of_each = {one.source: replace(one, time=time) for one in reversed(later)}
        start(filter, space, theta).update(*of_each.values())
        return
    values = prepared(space, theta)
    begin = EnsembleState(space.start, space.initial(values)[0][None])
    name = "ienks" if isinstance(filter, IEnKS) else "esmda"
    refuse_noise(space, values, begin, time, name, 'an ensemble filter, "etkf" say')


def _gaussian(make: Callable[..., Filter], given: Given) -> Filter:
    return make(**_some(given, "outlier_sd"))


def _gaussian_sum(given: Given) -> Filter:
    return GaussianSum(**_size(given))


def _particle(given: Given) -> Filter:
    return ParticleFilter(**_size(given), **_some(given, "jitter"))


def _esmda(given: Given) -> WholeStream:
    alphas = {"alphas": tuple(given["alphas"])} if "alphas" in given else {}
    return WholeStream(ESMDA(**alphas, analysis=ETKF()), **_size(given))


def _ienks(given: Given) -> Filter:
    return IEnKS(**_size(given), **_some(given, "lag", "rotation"), inflation=_inflation(given))


# filter -> how it is made of its settings; those of `ANALYSES` need the model's places, too
MAKERS: Mapping[str, Callable[[Given], Filter | WholeStream]] = {
    **{name: partial(_gaussian, make) for name, make in GAUSSIAN.items()},
    "gaussian_sum": _gaussian_sum,
    "particle": _particle,
    "esmda": _esmda,
    "ienks": _ienks,
}


def _some(given: Given, *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _size(given: Given) -> dict[str, Any]:
    return {"size": given["members"]} if "members" in given else {}


def _inflation(given: Given) -> Inflation:
    return Inflation(**{ours: given[name] for name, ours in WIDENING.items() if name in given})


def check_name(name: str) -> None:
    """Refuse a filter that does not exist."""
    if name not in FILTERS:
        raise CaseError(explain(f"filter = {name!r}{near_match(name, FILTERS)}", ", ".join(FILTERS)))


def settings_of(name: str) -> tuple[str, ...]:
    """Return the settings a filter has."""
    if name in GAUSSIAN:
        return ("outlier_sd",)
    if name in OTHERS:
        return OTHERS[name]
    return tuple(s for s in ENSEMBLE_SETTINGS if name != "etkf" or s != "localisation_half_width")


def _analysis(spec: AssimilateSpec, space: StateSpace) -> Analysis:
    given: Any = spec.localisation_half_width
    if given is None:
        if spec.filter == "letkf":
            raise CaseError(explain("letkf without localisation_half_width", "a length", "or use etkf"))
        return ANALYSES[spec.filter]()
    unit = space.places.unit if space.places is not None else "1"
    half_width = to_unit(given, unit, "localisation_half_width")
    return ANALYSES[spec.filter](localisation=Localisation.of(space, half_width))
