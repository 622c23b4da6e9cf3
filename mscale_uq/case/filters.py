"""The filters a case may name, and which of its settings each of them has."""

from collections.abc import Callable, Mapping
from typing import Any

from mscale_uq.case.filter_names import FILTERS
from mscale_uq.case.schema import AssimilateSpec
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
from mscale_uq.filters.node_sum import GaussianSum, check
from mscale_uq.filters.particle import ParticleFilter
from mscale_uq.filters.serial import Serial
from mscale_uq.filters.sigma_point import SigmaPointKalman
from mscale_uq.filters.sigma_rules import Cubature, Unscented
from mscale_uq.filters.square_root import SquareRootKalman
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.filters.whole import WholeStream
from mscale_uq.io.units import to_unit

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
    members = {"size": given["members"]} if "members" in given else {}
    rest = {name: given[name] for name in ("rotation", "outlier_sd", "most_lost", "jitter") if name in given}
    if spec.filter in GAUSSIAN:
        return GAUSSIAN[spec.filter](**rest)
    if spec.filter == "gaussian_sum":
        check(space)
        return GaussianSum(**members)
    if spec.filter == "particle":
        return ParticleFilter(**members, **rest)
    if spec.filter == "esmda":
        alphas = {"alphas": tuple(given["alphas"])} if "alphas" in given else {}
        return WholeStream(ESMDA(**alphas, analysis=ETKF()), **members)
    inflation = Inflation(**{ours: given[name] for name, ours in WIDENING.items() if name in given})
    if spec.filter == "ienks":
        lag = {"lag": given["lag"]} if "lag" in given else {}
        return IEnKS(**members, **lag, **rest, inflation=inflation)
    return EnsembleKalman(_analysis(spec, space), inflation=inflation, **members, **rest)


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
