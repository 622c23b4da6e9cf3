"""Rows of cells between which a ligand hops."""

import numpy as np

from mscale_uq.core.parameter import Quantity
from mscale_uq.macro.burst import Bursts
from mscale_uq.macro.cell_row import CellRow
from mscale_uq.macro.network import Reaction

LIGAND = (Quantity("ligand", "1"),)
DECAY = (Reaction("decay", "k", takes={"ligand": 1}),)


def tissue(cells, ends="closed"):
    return CellRow("tissue", LIGAND, DECAY, {"ligand": "hop"}, cells, ends)


def bursts(patch, patches, **values):
    stage = Bursts(patch, ("decay",), patches)
    given = {"ligand_level": 12.0, "ligand_slope": -1.5, "hop": 1.0, "k": 0.05, "burst": 1.5, "healing": 0.0}
    return stage.value({**given, "key": 1, **values})


def off(mean, exact, variance):
    return abs(mean - exact) / np.sqrt(variance)
