"""Dishes of sequenced cells: what is counted in a cell, where the expression of a dish is off by a factor.

A dish need not be known before it comes; its number only tells up to four dishes of one time apart. Their
offsets are drawn anew at each time, with the mean and variance that the prior of `dish_offset` has.
"""

import numpy as np

from mscale_uq.core.formula import PointwiseFormula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.redrawn import Redrawn
from mscale_uq.observe.counts import poisson

DISHES = 4
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
AT_FIRST = tuple(f"{name}_initial{kind}" for kind in ("", "_var") for name in SLOTS)
LAW_OF_OFFSETS = "dish_offset_prior_mean", "dish_offset_prior_var"


def first_offsets(dish_offset_prior_mean, dish_offset_prior_var):
    """Dishes of the first time have the offsets that any have."""
    return (dish_offset_prior_mean,) * DISHES + (dish_offset_prior_var,) * DISHES


def offsets():
    """Return the offsets of the dishes at hand, in time."""
    return Redrawn("dishes", tuple(Quantity(name, "1", OFFSETS.meaning) for name in SLOTS), *LAW_OF_OFFSETS)


def counted(
    mrna_mean, dish_offset_1, dish_offset_2, dish_offset_3, dish_offset_4, capture, size_factor, dish
):
    """Counts expected of each cell, with the offset of its own dish among those of the time."""
    slots = enumerate((dish_offset_1, dish_offset_2, dish_offset_3, dish_offset_4), start=1)
    offset = sum(np.where(dish == number, one, 0.0) for number, one in slots)
    return size_factor * capture * mrna_mean * np.exp(offset)


def sequencer():
    """Return how a sequencer sees cells of dishes, which it destroys."""
    stage = PointwiseFormula(counted, "umi", choice=("dish", SLOTS))
    stage = stage.moved_by([name for name in stage.inputs if name != "dish"])
    return ObservationOperator("umi", poisson(), stage, destructive=True, apart={"dish": DISHES})


def dish_numbers(dish, cells):
    """Return each cell's dish, counted from 0."""
    numbers = np.ones(cells) if dish is None else np.asarray(dish, dtype=float)
    if not np.all(np.isin(numbers, np.arange(1, DISHES + 1))):
        raise InputError(explain(f"dishes {np.unique(numbers)}", f"1 to {DISHES}"))
    return numbers.astype(int) - 1
