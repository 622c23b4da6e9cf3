"""A gene that is switched on: messages and proteins of a cell, made and lost by chance.

Source: L. Huang, L. Pauleve, C. Zechner, M. Unger, A. S. Hansen, H. Koeppl, Reconstructing dynamic molecular
states from single-cell time series, J. R. Soc. Interface 13 (2016) 20160533, doi:10.1098/rsif.2016.0533.
"""

import numpy as np

from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.macro.cells import Population
from mscale_uq.macro.network import Reaction, ReactionNetwork


def life(half_life):
    """Rate of decay to a half-life."""
    return float(np.log(2)) / half_life


RATES = (
    Parameter("transcription_rate", "1/min", 2.0, lower=0, meaning="of new mRNA in a cell"),
    Parameter("mrna_decay", "1/min", life(5.0), lower=0, meaning="of an mRNA; half-life 5 min"),
    Parameter("translation_rate", "1/min", 4.0, lower=0, meaning="of new protein from an mRNA"),
    Parameter("protein_decay", "1/min", life(30.0), lower=0, meaning="of a protein; half-life 30 min"),
)
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


def population():
    """Return the reactions, in cells that begin with nothing."""
    return Population(SPECIES, NETWORK.stoichiometry, NETWORK.linear_rates)


def burst(translation_rate, mrna_decay):
    """Proteins made from one mRNA."""
    return translation_rate / mrna_decay


def resting(transcription_rate, mrna_decay):
    """Mean mRNA at rest."""
    return transcription_rate / mrna_decay


def fano(translation_rate, mrna_decay, protein_decay):
    """Variance over mean of the protein at rest."""
    return 1 + translation_rate / (mrna_decay + protein_decay)
