"""Gene expression followed under a microscope and counted by sequencing: one model for both.

A gene is switched on in cells without its mRNA m and protein p. A few cells are tracked in a movie that shows
the protein; at a few times a dish of other cells is taken away, and the mRNA of each is counted. The movie
alone cannot tell many faint proteins from few bright ones; the counts say how many messages there are.

Reactions  0 -> m (transcription_rate), m -> 0 (mrna_decay m), m -> m + p (translation_rate m),
           p -> 0 (protein_decay p), by chance, in every cell
Observed   intensity = background + gain exp(-bleaching t) p, of each tracked cell: a cell's readings hang
           together, so they are fitted by the likelihood of a Kalman filter with the exact moments
Observed   umi ~ counts of mean size_factor capture E(m) exp(dish_offset), of cells of a dish that are gone:
           they say something of the population and of the rates, never of a tracked cell
Observed   umi_pairs, the second factorial moment E(umi (umi - 1)) = chance^2 (Var(m) - E(m) + E(m)^2) of a
           dish, chance = size_factor capture exp(dish_offset), less mean_weight E(umi), as law
           `factorial_moments` has it: whether m is as noisy as the model says
Division   a tracked cell may divide: each molecule goes to either daughter by a fair coin, and these go on
           from what their mother was; followed by filters. Dishes are read as of cells that do not divide,
           whose mRNA, halved at a division, is back after a few of its lives
Limits     at rest m is Poisson with mean transcription_rate / mrna_decay, and the variance of p over its
           mean is 1 + translation_rate / (mrna_decay + protein_decay)

Source: L. Huang, L. Pauleve, C. Zechner, M. Unger, A. S. Hansen, H. Koeppl, Reconstructing dynamic molecular
states from single-cell time series, J. R. Soc. Interface 13 (2016) 20160533, doi:10.1098/rsif.2016.0533.
"""

import numpy as np
from mscale_uq.models.cells._dishes import (
    AT_FIRST,
    CAPTURE,
    LAW_OF_OFFSETS,
    OFFSETS,
    dish_numbers,
    first_offsets,
    offsets,
    one_for_each,
    pair_counter,
    sequencer,
)
from mscale_uq.models.cells._expression import RATES, burst, fano, population, resting

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known, off
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, System
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.cells import FollowedCells, MomentPath
from mscale_uq.macro.dividing_cells import DividingCells
from mscale_uq.macro.lineage import by_place
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.macro.side_by_side import SideBySide
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.individuals import Individuals
from mscale_uq.observe.sequenced import ExpectedCounts, ExpectedPairs

LIGHT = (
    Parameter("gain", "1", 1.5, lower=0, meaning="camera counts per protein"),
    Parameter("background", "1", 100.0, lower=0, meaning="camera counts without any protein"),
    Parameter("bleaching", "1/min", 1e-5, lower=0, meaning="rate at which the light of a protein fades"),
)
TIMES, CELLS = (grid.ravel() for grid in np.meshgrid([5.0, 15.0, 60.0], [1.0, 2.0], indexing="ij"))


def light(protein_mean, gain, background, bleaching, frame):
    """Expected intensity in each frame, and what one more protein adds to it."""
    per_protein = gain * np.exp(-bleaching * frame)
    return background + per_protein * protein_mean, per_protein + 0 * protein_mean


def seen(protein, gain, background, lamp):
    """Intensity of each tracked cell."""
    return background + gain * lamp * protein


def fading(bleaching):
    """The light of a protein fades."""
    return matrix([[-bleaching]]), 0 * matrix([[bleaching]])[0], np.zeros((1, 1))


def forward(time=TIMES, cell=CELLS, dish=None, size_factor=None, mean_weight=None, parent=None, born=None):  # noqa: ARG001
    """Return the intensities of tracked cells at times, or, where there are size factors, counts.

    Those of daughters are not what their mother makes them: the law of the readings says so when it is used.
    """
    times, row = np.unique(time, return_inverse=True)
    named = [Formula(resting, "mrna_at_rest"), Formula(burst, "proteins_per_mrna")]
    if size_factor is not None:
        number = dish_numbers(dish, row.size)
        counts = ExpectedCounts(size_factor, row, number)
        pairs = ExpectedPairs(size_factor, row, number, mean_weight)
        read = Formula(counts, "umi"), Formula(pairs, "umi_pairs")
        stages = [MomentPath(population(), times, "F", "Q"), *read, *named]
        return ForwardModel(stages, (*RATES, CAPTURE, one_for_each(number)), ["umi", "umi_pairs"])
    if row.size != np.size(cell):
        raise InputError(explain(f"{row.size} times, {np.size(cell)} cells", "a cell for every time"))
    outputs = "intensity_at", "intensity_per_unit"
    stages = [
        MomentPath(population(), times, "intensity_transition", "intensity_diffusion"),
        PointwiseFormula(light, outputs),
        Individuals("intensity", row, place=1, size=2),
        *named,
    ]
    return ForwardModel(stages, (*RATES, *LIGHT), ["intensity"], {"frame": times})


def space(
    cell=(1.0, 2.0), dish=None, size_factor=None, mean_weight=None, parent=None, born=None, dish_sd=0.1
):
    """Return the state space of the population, the tracked cells, the dish at hand and the lamp.

    `parent` is the number of each cell's mother, or its own; `born` the time of the division. Each count
    brings the size factor of its cell along, and its dish, four of one time at most. Offsets of dishes have
    the mean and variance of the prior of `dish_offset` in a case, and else the standard deviation `dish_sd`.
    """
    people, past = population(), {} if parent is None else by_place(cell, parent, born)
    tracked = (DividingCells if past else FollowedCells)(people, np.size(cell))
    lamp = LinearSDE("lamp", (Quantity("lamp", "1", "light left"),), fading)
    constants = {**people.start(), **past, "lamp_initial": 1.0}
    constants |= dict(zip(LAW_OF_OFFSETS, (0.0, dish_sd**2), strict=True))
    camera = PointwiseFormula(seen, "intensity")
    sources = {"microscope": ObservationOperator("intensity", Fluorescence(20.0), camera)}
    parameters = (*RATES, *LIGHT)
    if size_factor is not None:
        sources["sequencer"], parameters = sequencer(), (*parameters, CAPTURE)
        constants["size_factor"] = np.asarray(size_factor, dtype=float)
        constants["dish"] = 1.0 if dish is None else np.asarray(dish, dtype=float)
    if mean_weight is not None:
        sources["pair counter"] = pair_counter()
        constants["mean_weight"] = np.asarray(mean_weight, dtype=float)
    dynamics = SideBySide([people.moments(), tracked, offsets(), lamp])
    return StateSpace([Formula(first_offsets, AT_FIRST)], dynamics, sources, parameters, constants)


def _poisson():
    """Largest deviation of the variance of mRNA from its mean, at every time after induction."""
    made = known(forward, time=[1.0, 10.0, 1000.0], size_factor=np.ones(3))
    return np.abs(made["mrna_var"] / made["mrna_mean"] - 1).max()


def _fano():
    """Deviation of variance over mean of the protein at rest."""
    made = known(forward, time=[2000.0], size_factor=[1.0])
    exact = fano(*(made[name] for name in ("translation_rate", "mrna_decay", "protein_decay")))
    return abs(made["protein_var"][0] / made["protein_mean"][0] / exact - 1)


def _confounded():
    """Change of the expected movie if proteins are twice as bright and made half as fast."""
    return off(forward, "intensity", known(forward)["intensity"], translation_rate=2.0, gain=3.0)


def _pairs():
    """Largest deviation of pairs over the squared count from one, that of Poisson counts."""
    made = known(forward, time=[1.0, 10.0, 1000.0], size_factor=np.array([0.7, 1.0, 1.4]))
    return np.abs(made["umi_pairs"] / made["umi"] ** 2 - 1).max()


LIMITS = (
    Limit("mRNA of induced cells is Poisson", _poisson, 1e-12),
    Limit("counts of Poisson mRNA are Poisson: pairs are the squared count", _pairs, 1e-12),
    Limit("protein at rest has the exact Fano factor", _fano, 1e-10),
    Limit("the mean of a movie knows gain times translation only", _confounded, 1e-13),
)

SYSTEM = System(
    name="cells/cell_state_fusion",
    parameters=(*RATES, *LIGHT, CAPTURE, OFFSETS),
    outputs=(
        Quantity("intensity", "1", "mean camera counts of a tracked cell", ("time", "cell", "parent", "born"),
                 tracked=True),
        Quantity("umi", "1", "molecules counted in a sequenced cell", ("time", "dish", "size_factor")),
        Quantity("umi_pairs", "1", "pairs of molecules counted in a sequenced cell, umi (umi - 1), less "
                 "mean_weight times umi", ("time", "dish", "size_factor", "mean_weight")),
    ),
    coordinates=(
        Quantity("time", "min", "since the gene was switched on"),
        Quantity("cell", "1", "number of the tracked cell"),
        Quantity("parent", "1", "number of its mother; its own if it has none", lineage=True),
        Quantity("born", "min", "when it came from her", lineage=True),
        Quantity("dish", "1", "number of the dish that was taken away, from 1", carried=True),
        Quantity("size_factor", "1", "how much of the cell was captured, against a usual one", lower=1e-6,
                 carried=True),
        Quantity("mean_weight", "1", "how many times the count is taken off the pairs", carried=True),
    ),
    effective=(
        Quantity("mrna_at_rest", "1", "mean mRNA of a cell at rest"),
        Quantity("proteins_per_mrna", "1", "proteins made from one mRNA"),
    ),
    smoothness="smooth",
    forward=forward,
    space=space,
    limits=LIMITS,
    examples=(
        {"time": (30.0, 30.0, 90.0), "cell": None, "dish": (1.0, 1.0, 2.0), "size_factor": (0.8, 1.3, 1.0),
         "mean_weight": (0.0, 1.0, 2.5)},
    ),
)  # fmt: skip
