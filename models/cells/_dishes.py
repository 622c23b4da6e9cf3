"""Dishes of sequenced cells: what is counted in a cell, where the expression of a dish is off by a factor.

A fit knows all dishes, and each has its entry of `dish_offset`. To a filter a dish need not be known before
it comes; its number only tells dishes of one time apart, of which the state has `AT_ONCE`. Their offsets are
drawn anew at each time, with the mean and variance that the prior of `dish_offset` has.
"""

from dataclasses import replace

import numpy as np

from mscale_uq.core.formula import PointwiseFormula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.errors import InputError, explain
from mscale_uq.macro.redrawn import Redrawn
from mscale_uq.observe.counts import poisson
from mscale_uq.observe.laws import Gaussian
from mscale_uq.observe.sequenced import pairs_counted

AT_ONCE = 4  # dishes of one time that a filter tells apart
MOST = 1000  # dishes of a fit
CAPTURE = Parameter("capture", "1", 0.1, lower=0, upper=1, meaning="probability that an mRNA is counted")
OFFSETS = Parameter(
    "dish_offset",
    "1",
    (0.0,),
    shape=(1,),
    meaning="logarithm of a dish's expression over that of the others",
    dims=("dish",),
)
SLOTS = tuple(f"dish_offset_{number}" for number in range(1, AT_ONCE + 1))
AT_FIRST = tuple(f"{name}_initial{kind}" for kind in ("", "_var") for name in SLOTS)
LAW_OF_OFFSETS = "dish_offset_prior_mean", "dish_offset_prior_var"


def first_offsets(dish_offset_prior_mean, dish_offset_prior_var):
    """Dishes of the first time have the offsets that any have."""
    return (dish_offset_prior_mean,) * AT_ONCE + (dish_offset_prior_var,) * AT_ONCE


def offsets():
    """Return the offsets of the dishes at hand, in time."""
    return Redrawn("dishes", tuple(Quantity(name, "1", OFFSETS.meaning) for name in SLOTS), *LAW_OF_OFFSETS)


def counted(
    mrna_mean, dish_offset_1, dish_offset_2, dish_offset_3, dish_offset_4, capture, size_factor, dish
):
    """Counts expected of each cell, with the offset of its own dish among those of the time."""
    offset = _own(dish, (dish_offset_1, dish_offset_2, dish_offset_3, dish_offset_4))
    return size_factor * capture * mrna_mean * np.exp(offset)


def paired(
    mrna_mean, mrna_var, dish_offset_1, dish_offset_2, dish_offset_3, dish_offset_4, capture, size_factor,
    dish, mean_weight,
):  # fmt: skip
    """Pairs of molecules expected to be counted in each cell, less some of its count."""
    offset = _own(dish, (dish_offset_1, dish_offset_2, dish_offset_3, dish_offset_4))
    return pairs_counted(size_factor * capture * np.exp(offset), mrna_mean, mrna_var, mean_weight)


def _own(dish, offsets):
    return sum(np.where(dish == number, one, 0.0) for number, one in enumerate(offsets, start=1))


def sequencer():
    """Return how a sequencer sees cells of dishes, which it destroys."""
    return _dish_reading("umi", poisson(), counted)


def pair_counter():
    """Return what it tells of pairs of molecules; each reading states its own standard deviation."""
    return _dish_reading("umi_pairs", Gaussian(1.0), paired)


def _dish_reading(quantity, law, formula):
    stage = PointwiseFormula(formula, quantity, choice=("dish", SLOTS))
    stage = stage.moved_by([name for name in stage.inputs if name not in ("dish", "mean_weight")])
    return ObservationOperator(quantity, law, stage, destructive=True, apart={"dish": AT_ONCE})


def dish_numbers(dish, cells):
    """Return each cell's dish, counted from 0."""
    numbers = np.ones(cells) if dish is None else np.asarray(dish, dtype=float)
    wrong = ~np.isin(numbers, np.arange(1, MOST + 1))
    if np.any(wrong):
        raise InputError(explain(f"dish = {numbers[wrong][0]:g}", f"1, 2, .. up to {MOST}"))
    return numbers.astype(int) - 1


def one_for_each(dish):
    """Return the offsets of all dishes, whose numbers count from 0, as a parameter."""
    count = int(np.max(dish)) + 1
    return replace(OFFSETS, default=OFFSETS.default * count, shape=(count,))
