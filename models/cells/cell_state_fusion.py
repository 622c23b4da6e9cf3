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
Division   a tracked cell may divide: each molecule goes to either daughter by a fair coin, and these go on
           from what their mother was; followed by filters. Dishes are read as of cells that do not divide,
           whose mRNA, halved at a division, is back after a few of its lives
Limits     at rest m is Poisson with mean transcription_rate / mrna_decay, and the variance of p over its
           mean is 1 + translation_rate / (mrna_decay + protein_decay)

Source: L. Huang, L. Pauleve, C. Zechner, M. Unger, A. S. Hansen, H. Koeppl, Reconstructing dynamic molecular
states from single-cell time series, J. R. Soc. Interface 13 (2016) 20160533, doi:10.1098/rsif.2016.0533.
"""

import numpy as np

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, System
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.cells import FollowedCells, MomentPath, Population
from mscale_uq.macro.dividing_cells import DividingCells
from mscale_uq.macro.lineage import by_place
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.macro.network import Reaction, ReactionNetwork
from mscale_uq.macro.redrawn import Redrawn
from mscale_uq.macro.side_by_side import SideBySide
from mscale_uq.observe.counts import poisson
from mscale_uq.observe.fluorescence import Fluorescence
from mscale_uq.observe.followed import Individuals
from mscale_uq.observe.sequenced import ExpectedCounts

DISHES = 4
RATES = (
    Parameter("transcription_rate", "1/min", 2.0, lower=0, meaning="of new mRNA in a cell"),
    Parameter("mrna_decay", "1/min", 0.13862943611198905, lower=0, meaning="of an mRNA; half-life 5 min"),
    Parameter("translation_rate", "1/min", 4.0, lower=0, meaning="of new protein from an mRNA"),
    Parameter(
        "protein_decay", "1/min", 0.023104906018664842, lower=0, meaning="of a protein; half-life 30 min"
    ),
)
LIGHT = (
    Parameter("gain", "1", 1.5, lower=0, meaning="camera counts per protein"),
    Parameter("background", "1", 100.0, lower=0, meaning="camera counts without any protein"),
    Parameter("bleaching", "1/min", 1e-5, lower=0, meaning="rate at which the light of a protein fades"),
)
CAPTURE = Parameter("capture", "1", 0.1, lower=0, upper=1, meaning="probability that an mRNA is counted")
OFFSETS = Parameter(
    "dish_offset",
    "1",
    (0.0,) * DISHES,
    shape=(DISHES,),
    meaning="logarithm of a dish's expression over that of the others",
    dims=("dish",),
)
SLOTS = tuple(f"dish_offset_{number}" for number in range(1, DISHES + 1))  # the dishes of one time
LAW_OF_OFFSETS = "dish_offset_prior_mean", "dish_offset_prior_var"
SPECIES = (Quantity("mrna", "1", "mRNA in a cell"), Quantity("protein", "1", "protein in a cell"))
NETWORK = ReactionNetwork(
    "gene expression",
    SPECIES,
    (
        Reaction("transcription", "transcription_rate", makes={"mrna": 1}),
        Reaction("decay of mRNA", "mrna_decay", takes={"mrna": 1}),
        Reaction("translation", "translation_rate", takes={"mrna": 1}, makes={"mrna": 1, "protein": 1}),
        Reaction("decay of protein", "protein_decay", takes={"protein": 1}),
    ),
)
TIMES, CELLS = (grid.ravel() for grid in np.meshgrid([5.0, 15.0, 60.0], [1.0, 2.0], indexing="ij"))


def light(protein_mean, gain, background, bleaching, frame):
    """Expected intensity in each frame, and what one more protein adds to it."""
    per_protein = gain * np.exp(-bleaching * frame)
    return background + per_protein * protein_mean, per_protein + 0 * protein_mean


def seen(protein, gain, background, lamp):
    """Intensity of each tracked cell."""
    return background + gain * lamp * protein


def counted(
    mrna_mean, dish_offset_1, dish_offset_2, dish_offset_3, dish_offset_4, capture, size_factor, dish
):
    """Counts expected of each cell, with the offset of its own dish among those of the time."""
    offsets = enumerate((dish_offset_1, dish_offset_2, dish_offset_3, dish_offset_4), start=1)
    offset = sum(np.where(dish == number, one, 0.0) for number, one in offsets)
    return size_factor * capture * mrna_mean * np.exp(offset)


def first_offsets(dish_offset_prior_mean, dish_offset_prior_var):
    """Dishes of the first time have the offsets that any have."""
    return (dish_offset_prior_mean,) * DISHES + (dish_offset_prior_var,) * DISHES


def fading(bleaching):
    """The light of a protein fades."""
    return matrix([[-bleaching]]), 0 * matrix([[bleaching]])[0], np.zeros((1, 1))


def burst(translation_rate, mrna_decay):
    """Proteins made from one mRNA."""
    return translation_rate / mrna_decay


def resting(transcription_rate, mrna_decay):
    """Mean mRNA at rest."""
    return transcription_rate / mrna_decay


def population():
    """Return the reactions, in cells that begin with nothing."""
    return Population(SPECIES, NETWORK.stoichiometry, NETWORK.linear_rates)


def effective():
    """Return stages for what a biologist names: messages at rest, proteins per message."""
    return [Formula(resting, "mrna_at_rest"), Formula(burst, "proteins_per_mrna")]


def forward(time=TIMES, cell=CELLS, dish=None, size_factor=None, parent=None, born=None):  # noqa: ARG001
    """Return the intensities of tracked cells at times, or, where there are size factors, counts.

    Those of daughters are not what their mother makes them: the law of the readings says so when it is used.
    """
    times, row = np.unique(time, return_inverse=True)
    if size_factor is not None:
        sequencer = ExpectedCounts(size_factor, row, dish_numbers(dish, row.size))
        stages = [MomentPath(population(), times, "F", "Q"), Formula(sequencer, "umi"), *effective()]
        return ForwardModel(stages, (*RATES, CAPTURE, OFFSETS), ["umi"])
    if row.size != np.size(cell):
        raise InputError(explain(f"{row.size} times, {np.size(cell)} cells", "a cell for every time"))
    outputs = "intensity_at", "intensity_per_unit"
    stages = [
        MomentPath(population(), times, "intensity_transition", "intensity_diffusion"),
        PointwiseFormula(light, outputs),
        Individuals("intensity", row, place=1, size=2),
        *effective(),
    ]
    return ForwardModel(stages, (*RATES, *LIGHT), ["intensity"], {"frame": times})


def dish_numbers(dish, cells):
    """Return each cell's dish, counted from 0."""
    numbers = np.ones(cells) if dish is None else np.asarray(dish, dtype=float)
    if not np.all(np.isin(numbers, np.arange(1, DISHES + 1))):
        raise InputError(explain(f"dishes {np.unique(numbers)}", f"1 to {DISHES}"))
    return numbers.astype(int) - 1


def space(cell=(1.0, 2.0), dish=None, size_factor=None, parent=None, born=None, dish_sd=0.1):
    """Return the state space of the population, the tracked cells, the dish at hand and the lamp.

    `parent` is the number of each cell's mother, or its own; `born` the time of the division. Each count
    brings the size factor of its cell along, and its dish, so that a dish need not be known before it comes;
    the number only tells up to four dishes of one time apart. Their offsets are drawn anew at each time, with
    the mean and variance of the prior of `dish_offset` in a case, and else the standard deviation `dish_sd`.
    """
    people = population()
    past = {} if parent is None else by_place(cell, parent, born)
    tracked = (DividingCells if past else FollowedCells)(people, np.size(cell))
    dishes = tuple(Quantity(name, "1", OFFSETS.meaning) for name in SLOTS)
    lamp = (Quantity("lamp", "1", "light left"),)
    dynamics = SideBySide(
        [
            people.moments(),
            tracked,
            Redrawn("dishes", dishes, *LAW_OF_OFFSETS),
            LinearSDE("lamp", lamp, fading),
        ]
    )
    constants = {**people.start(), **past, "lamp_initial": 1.0}
    constants |= dict(zip(LAW_OF_OFFSETS, (0.0, dish_sd**2), strict=True))
    begin = tuple(f"{name}_initial{kind}" for kind in ("", "_var") for name in SLOTS)
    sources = {
        "microscope": ObservationOperator(
            "intensity", Fluorescence(20.0), PointwiseFormula(seen, "intensity")
        )
    }
    if size_factor is not None:
        stage = PointwiseFormula(counted, "umi", choice=("dish", SLOTS))
        stage = stage.moved_by([name for name in stage.inputs if name != "dish"])
        apart = {"dish": DISHES}
        sources["sequencer"] = ObservationOperator("umi", poisson(), stage, destructive=True, apart=apart)
        constants["size_factor"] = np.asarray(size_factor, dtype=float)
        constants["dish"] = 1.0 if dish is None else np.asarray(dish, dtype=float)
    capture = (CAPTURE,) if "sequencer" in sources else ()
    stages = [Formula(first_offsets, begin)]
    return StateSpace(stages, dynamics, sources, (*RATES, *LIGHT, *capture), constants)


def _poisson():
    """Largest deviation of the variance of mRNA from its mean, at every time after induction."""
    values = {p.name: np.asarray(p.default) for p in RATES}
    made = MomentPath(population(), np.array([1.0, 10.0, 1000.0]), "F", "Q").value(values)
    return np.abs(made["mrna_var"] / made["mrna_mean"] - 1).max()


def _fano():
    """Deviation of variance over mean of the protein at rest."""
    values = {p.name: np.asarray(p.default) for p in RATES}
    made = MomentPath(population(), np.array([2000.0]), "F", "Q").value(values)
    exact = 1 + values["translation_rate"] / (values["mrna_decay"] + values["protein_decay"])
    return abs(made["protein_var"][0] / made["protein_mean"][0] / exact - 1)


def _confounded():
    """Change of the expected movie if proteins are twice as bright and made half as fast."""
    model = forward()
    one, other = model.theta(), model.theta(translation_rate=2.0, gain=3.0)
    return np.abs(model.value(one) / model.value(other) - 1).max()


LIMITS = (
    Limit("mRNA of induced cells is Poisson", _poisson, 1e-12),
    Limit("protein at rest has the exact Fano factor", _fano, 1e-10),
    Limit("the mean of a movie knows gain times translation only", _confounded, 1e-13),
)

SYSTEM = System(
    name="cells/cell_state_fusion",
    parameters=(*RATES, *LIGHT, CAPTURE, OFFSETS),
    outputs=(
        Quantity(
            "intensity",
            "1",
            "mean camera counts of a tracked cell",
            ("time", "cell", "parent", "born"),
            tracked=True,
        ),
        Quantity("umi", "1", "molecules counted in a sequenced cell", ("time", "dish", "size_factor")),
    ),
    coordinates=(
        Quantity("time", "min", "since the gene was switched on"),
        Quantity("cell", "1", "number of the tracked cell"),
        Quantity("parent", "1", "number of its mother; its own if it has none", lineage=True),
        Quantity("born", "min", "when it came from her", lineage=True),
        Quantity("dish", "1", "number of the dish that was taken away, from 1", carried=True),
        Quantity(
            "size_factor",
            "1",
            "how much of the cell was captured, against a usual one",
            lower=1e-6,
            carried=True,
        ),
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
        {"time": (30.0, 30.0, 90.0), "cell": None, "dish": (1.0, 1.0, 2.0), "size_factor": (0.8, 1.3, 1.0)},
    ),
)
