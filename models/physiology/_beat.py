"""One beat of a pacemaker cell as a stage: the limit cycle, and the features that electrophysiologists read.

Every feature is an event on the cycle. Units are those of the published equations: mV, s, mM.
"""

import numpy as np
from mscale_uq.models.physiology._severi2012 import (
    SCALES,
    calcium_slope,
    curvature,
    potential,
    rate,
    slope,
)

from mscale_uq.core.parameter import Array
from mscale_uq.errors import Infeasible
from mscale_uq.macro.cycle_features import CycleFeatures, Orbit
from mscale_uq.solve.cycle_events import FALLING, RISING, OnCycle, Reading
from mscale_uq.solve.limit_cycle import Section
from mscale_uq.solve.rate import Level, Rate
from mscale_uq.solve.stiff import Tolerances

FEATURES = (
    "period",
    "lowest",
    "highest",
    "steepest",
    "duration",
    "diastolic",
    "calcium_least",
    "calcium_most",
)
NO_DRUG = (1.0, 0.0, 0.0, 0.0)
SECTION = -20.0  # mV, rising: at the foot of the upstroke, so that all of a beat lies ahead
V, CA = 29, 26
AFTER_LOWEST = 0.1  # s, over which the slope of the diastole is a mean
# Error of a derivative along chosen steps, in relative tolerances: at most 1 was seen at 1e-4, 3 at 1e-3.
SLOPE_ERROR = 3.0
# The published cell on the section, after a minute of beating, in the order of `STATES`; and its period in s.
KNOWN_PERIOD = 0.35498010662240426
KNOWN_STATE = np.array([
    0.15536205886008628, 0.8793696351546875, 7.745339410752218e-05, 0.31885688583970095, 0.806824580338655,
    0.9524976128207352, 0.00040778804556699003, 0.4170516483278729, 0.03353282732579579,
    0.054009782298267514, 0.4739717890522952, 0.44034059379252233, 0.009571860500953065,
    0.002610457222364656, 0.7076665185014135, 0.9331676176226747, 1.1028236172866017e-06,
    2.248938803045501e-07, 0.023083619102945534, 0.26283259185349367, 0.651340441575757,
    0.04831386885896887, 0.177318739797772, 0.27828553735614653, 0.30755986652236816, 1.0345704186135571,
    0.00013742707037656314, 7.4863330948917195, 0.0007355649985480748, -20.0,
])  # fmt: skip
PUBLISHED = Orbit("beat", Rate(rate), Section(Level(potential, RISING), V), KNOWN_STATE, KNOWN_PERIOD)


def features(cycle: OnCycle) -> list[Reading]:
    """Return each of `FEATURES`; the duration is from the steepest rise to half repolarisation.

    Raises
    ------
    Infeasible
        If the diastole is shorter than 100 ms.
    """
    lowest, highest = cycle.lowest(slope, V), cycle.highest(slope, V)
    upstroke = cycle.greatest(curvature, slope)
    half = cycle.first(potential, FALLING, (highest.state(V) + lowest.state(V)) / 2)
    later = lowest.time.later(AFTER_LOWEST)
    if later.value >= cycle.period.value:
        raise Infeasible("beat", {}, "the next upstroke comes within 100 ms of the lowest potential")
    return [
        cycle.period,
        lowest.state(V),
        highest.state(V),
        upstroke.level(slope),
        half.time - upstroke.time,
        (cycle.at(later).state(V) - lowest.state(V)) / AFTER_LOWEST,
        cycle.lowest(calcium_slope, CA).state(CA),
        cycle.highest(calcium_slope, CA).state(CA),
    ]


def beat(
    tolerances: Tolerances,
    mesh: Array | None = None,
    drugs: tuple[float, ...] = NO_DRUG,
    prefix: str = "",
) -> CycleFeatures:
    """Return the stage from the scales of the currents to the features, `prefix` before their names.

    `drugs` are values of `DRUGS`; tolerances and mesh as in `CycleFeatures`. Its `value` raises `Infeasible`
    if the cell is quiescent, its beat unstable, or its diastole shorter than 100 ms.
    """
    names, constants = [f"{prefix}{feature}" for feature in FEATURES], (*drugs, SECTION)
    return CycleFeatures(PUBLISHED, SCALES, constants, names, features, tolerances, mesh, SLOPE_ERROR)


def known_mesh(tolerances: Tolerances) -> Array:
    """Return the steps that suit the published cell without drugs, as shares of the period."""
    cycle = beat(tolerances).cycle(dict.fromkeys(SCALES, np.array(1.0)))
    return cycle.path.times / cycle.period
