"""Cells of one population under a microscope, and frames that look like theirs."""

import numpy as np

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augment import Unknown
from mscale_uq.macro.cells import FollowedCells, Population
from mscale_uq.macro.linear_sde import matrix

SPECIES = (Quantity("mrna", "1"), Quantity("protein", "1"))
RATES = (
    Parameter("k_m", "1/min", 2.0, lower=0),
    Parameter("gamma_m", "1/min", 0.1386, lower=0),
    Parameter("k_p", "1/min", 4.0, lower=0),
    Parameter("gamma_p", "1/min", 0.0231, lower=0),
)
GAIN = Parameter("gain", "1", 1.5, lower=0)
KNOWN = {p.name: np.asarray(p.default) for p in (*RATES, GAIN)}
UNKNOWN = {"k_m": Unknown(2.5, 0.4), "gain": Unknown(1.2, 0.3)}


def two_stage(k_m, gamma_m, k_p, gamma_p):
    """Rates of transcription, translation and both decays."""
    none = 0 * k_m
    return matrix([[0, 0], [gamma_m, 0], [k_p, 0], [0, gamma_p]]), np.stack([k_m, none, none, none])


def population():
    """Cells that start without molecules."""
    return Population(SPECIES, ((1, -1, 0, 0), (0, 0, 1, -1)), two_stage)


def space(cells, law):
    """State space of tracked cells whose light a camera sees under `law`."""
    followed = FollowedCells(population(), cells)

    def light(gain):
        return gain * np.eye(2 * cells)[cells:], 100.0 * np.ones(cells)

    reading = LinearReading("light", followed.state, light, shape=(cells,))
    camera = ObservationOperator("light", law, reading)
    return StateSpace([], followed, {"camera": camera}, (*RATES, GAIN), population().start())


def readings(cells, frames, seed=0):
    """Rising intensities ``(frames, cells)`` with one missing."""
    rng = np.random.default_rng(seed)
    rise = 3700 * (1 - np.exp(-0.02 * 5.0 * np.arange(1, frames + 1)))
    data = (
        100
        + rise[:, None] * (1 + 0.1 * rng.standard_normal(cells))
        + 60 * rng.standard_normal((frames, cells))
    )
    data[1, 0] = np.nan
    return data
