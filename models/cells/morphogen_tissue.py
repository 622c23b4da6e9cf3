"""A morphogen gradient in a tissue: how far it reaches tells how molecules hop from cell to cell and vanish.

A few cells at one end make the morphogen; it hops between neighbours and is degraded, molecule by molecule.
A profile at rest shows its reach sqrt(D/k) and its height alone; profiles in time tell all three rates, and
without a known brightness all but the influx. Chance is played in patches of cells, one for each cell of the
macroscopic mesh, with the same random numbers at every parameter value; what it leaves uncertain is part of
the variance of every reading. Where molecules vanish each on its own, every patch begins in the same numbers,
steep and many, once, and two factors come back. Where receptors take them up, and there are only so many, the
patches are lifted again and again to concentration and slope of the tissue as it changes, which then takes a
step much longer than their bursts.

Cell      hops to either neighbour at the rate D/a^2, degradation at the rate k, by chance: in a burst,
          patches of cells of width a give flux over slope and loss over number, each with its error;
          or binding to receptors, release, and internalisation by a receptor that comes back
Macro     dc/dt = d/dx (D* dc/dx) - k* c, influx j at x = 0, nothing through the far end;
          with receptors, c is what is free and bound
Observed  fluorescence(time, x) = brightness c + background
Limits    c = j/sqrt(D k) exp(-x/L) at rest, L = sqrt(D/k); from an empty tissue times
          (erfc(x/2sqrt(Dt) - sqrt(kt)) - exp(2x/L) erfc(x/2sqrt(Dt) + sqrt(kt)))/2; receptors in excess
          do the same, with D times the share of molecules that is free, k of the share that is bound

Source: I. G. Kevrekidis and others, Equation-free, coarse-grained multiscale computation, Commun. Math. Sci.
1 (2003) 715-762, doi:10.4310/CMS.2003.v1.n4.a5, for the patches; A. Kicheva and others, Kinetics of morphogen
gradient formation, Science 315 (2007) 521-525, for the rates, those of Dpp in the wing of the fly.
"""

from functools import partial

import numpy as np
from mscale_uq.models.cells._gradient import at_rest, reach, share
from mscale_uq.models.cells._receptors import LIFTED_AT_EVERY_STEP, RECEPTORS, UPTAKE, marched

from mscale_uq.core.carried import CarriedError
from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.known import known
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.options import takes
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.places import Places
from mscale_uq.core.reads import read_by
from mscale_uq.core.statespace import StateSpace
from mscale_uq.core.system import Limit, Option, System
from mscale_uq.errors import ParameterError, explain
from mscale_uq.macro.row_balance import RowBalance, RowDynamics, RowProfile
from mscale_uq.macro.row_closure import CLOSED, PatchClosure, even_closure
from mscale_uq.observe.laws import Gaussian

PARAMETERS = (
    Parameter("diffusivity", "um^2/s", 0.1, lower=0, meaning="D, of hopping from cell to cell"),
    Parameter("degradation", "1/s", 2.5e-4, lower=0, meaning="k, of a molecule"),
    Parameter("influx", "1/(um^2 s)", 0.03, lower=0, meaning="j, molecules from the cells that make them"),
    Parameter("brightness", "um^3", 100.0, lower=0, meaning="fluorescence per concentration"),
    Parameter("background", "1", 6.0, lower=0, meaning="fluorescence without morphogen"),
    *RECEPTORS,
)
OPTIONS = (
    Option("loss", "linear", meaning="of molecules", choices=("linear", "receptors")),
    Option("closed", "patches", meaning="what gives flux and loss", choices=("patches", "exact")),
    Option("length", 120.0, "um", "of the tissue", lower=0),
    Option("cells", 24, "1", "of the macroscopic mesh", lower=3),
    Option("cell_width", 2.6, "um", "a, of a cell of the tissue", lower=0),
    Option("molecules", 20.0, "1", "lifted in a cell, on average", lower=0),
    Option("replicas", 8, "1", "of every patch", lower=1),
    Option("hops", 0.5, "1", "of a molecule to one side in a burst", lower=0),
    *LIFTED_AT_EVERY_STEP,
)  # fmt: skip
TIME, X = (grid.ravel() for grid in np.meshgrid([1e3, 3e3, 1e4], [5.0, 25.0, 45.0], indexing="ij"))


def glow(concentration, brightness, background):
    """Fluorescence."""
    return brightness * concentration + background


def seen(weights, concentration, brightness, background):
    """Fluorescence of a tissue's state, between the centres of its cells."""
    return glow(weights @ concentration, brightness, background)


def before(o):
    """Return the stages from the parameters to the closure of the balance."""
    gradient = Formula(reach, ("gradient_length", "gradient_height"))
    if o.closed == "exact":
        return [gradient, even_closure(o.cells)]
    return [gradient, PatchClosure(o.cells, o.cell_width, o.molecules, o.replicas, o.hops)]


@takes(OPTIONS)
def space(o, x=(5.0, 25.0, 45.0), *, reading_sd=3.0):
    """Return the tissue in time, empty at first, seen at x in um."""
    if o.loss != "linear":
        given = "morphogen_tissue: a filter of a tissue with receptors, whose patches hang on its state"
        raise ParameterError(explain(given, "loss = 'linear'", "fit profiles in time"))
    balance = RowBalance(o.length, o.cells)
    dynamics = RowDynamics(balance, Quantity("concentration", "1/um^3", "of the morphogen"))
    reading = Formula(partial(seen, balance.reading(x)), "fluorescence", "fluorescence")
    sources = {"microscope": ObservationOperator("fluorescence", Gaussian(reading_sd, 0.05), reading)}
    places = Places({"concentration": balance.centres[:, None]}, {"microscope": np.reshape(x, (-1, 1))}, "um")
    empty = {"concentration_initial": 0.0}
    stages = before(o)
    unknown = read_by([*stages, dynamics, reading], PARAMETERS, empty)[0]
    return StateSpace(stages, dynamics, sources, unknown, empty, places=places)


@takes(OPTIONS)
def forward(o, time=TIME, x=X):
    """Return the model of a tissue read at `time` in s and `x` in um, a place for each time."""
    if o.loss == "receptors":
        stages = marched(o, time, x)
    else:
        profile = RowProfile(RowBalance(o.length, o.cells), time, x, "concentration")
        stages = [*before(o), profile if o.closed == "exact" else CarriedError(profile, CLOSED)]
    light = PointwiseFormula(glow, "fluorescence")
    stages.append(light if o.closed == "exact" else CarriedError(light, ["concentration"]))
    return ForwardModel(stages, read_by(stages, PARAMETERS, {})[0], ["fluorescence"])


def _accumulated(place, expected):
    """Deviation of the share of rest reached at k t = 1, `place` lengths of the gradient from the source."""
    x = place * np.sqrt(0.1 / 2.5e-4)
    made = known(forward, time=[4000.0], x=[x], closed="exact", length=240.0, cells=192)
    return abs(made["concentration"][0] / at_rest(x) - expected)


def _errors(name, truth):
    """Deviation of a closure's mean over many patches from its rate, in its own standard errors."""
    made = known(forward, cells=100, replicas=40)
    return abs(made[name].mean() - truth) / np.sqrt(made[f"{name}_var"].mean() / made[name].size)


def _excess():
    """Deviation of a tissue with receptors in excess from the exact solution, in its own stated errors.

    A fifth of the molecules is bound, so that D is 4/5 of that of a free one, k 1/5 of internalisation.
    """
    given = {"diffusivity": 0.125, "internalisation": 1.25e-3, "receptors": 2500.0, "binding": 0.10125e-4}
    made = known(forward, loss="receptors", time=[3e3, 1e4], x=[5.0, 5.0], **given)
    exact = at_rest(5.0) * share(5.0, np.array([3e3, 1e4]))
    return np.max(np.abs(made["concentration"] - exact) / np.sqrt(made["concentration_var"]))


def _nothing_is_lost():
    """Relative deviation of what a noisy tissue holds from influx less loss, at one rate of loss."""
    values = {**known(forward, replicas=2), "cell_loss": np.full(24, 2.5e-4)}
    balance = RowBalance(120.0, 24)
    row = balance.move(np.zeros(24), balance.modes(values), 0.03, values["cell_loss"], 4000.0)[0]
    return abs(row.sum() * balance.dx / (0.03 / 2.5e-4 * -np.expm1(-1.0)) - 1)


SHARES = (0.842701, 0.635025, 0.372302)
LIMITS = (
    *(
        Limit(f"when k t = 1, {place} lengths from the source, {100 * share:.0f} % of rest are reached",
              partial(_accumulated, place, share), 5e-4) for place, share in enumerate(SHARES)
    ),
    Limit("patches give the diffusivity, within four standard errors",
          partial(_errors, "face_diffusivity", 0.1), 4.0),
    Limit("patches give the degradation, but for what is lost within a burst",
          partial(_errors, "cell_loss", 2.5e-4 * (1 - 0.004)), 4.0),
    Limit("what a tissue holds is influx less loss, whatever chance makes of the fluxes",
          _nothing_is_lost, 1e-11),
    Limit("receptors in excess take up in proportion, within the errors of four marches", _excess, 6.0),
)  # fmt: skip

SYSTEM = System(
    name="cells/morphogen_tissue",
    parameters=PARAMETERS,
    outputs=(Quantity("fluorescence", "1", "of the morphogen, with the background", ("time", "x")),),
    coordinates=(
        Quantity("time", "s", "since the morphogen was first made"),
        Quantity("x", "um", "from the cells that make it"),
    ),
    options=OPTIONS,
    effective=(
        Quantity("gradient_length", "um", "L = sqrt(D/k), over which it falls by e"),
        Quantity("gradient_height", "1/um^3", "j/sqrt(D k), concentration at the source at rest"),
        *UPTAKE,
    ),
    smoothness="stochastic",
    forward=forward,
    space=space,
    limits=LIMITS,
    examples=(
        {"closed": "exact"},
        {"loss": "receptors", "closed": "exact"},
        {"loss": "receptors", "cells": 8, "marches": 2},
    ),
)
