"""A morphogen that is taken up by receptors: it binds, comes off again, or goes into the cell with a receptor
that comes back empty. A cell has so many receptors, so that uptake is saturable.

With c the molecules free and bound per volume, r the receptors and K = (release + internalisation)/binding:
b of them are bound, (c - b)(r - b) = K b, once binding has settled; c, which binding does not change, is
the slow variable. Profiles of a tissue whose receptors fill up tell r and K; where receptors are in excess,
they tell r/K alone.

Source: J. A. M. Borghans, R. J. de Boer, L. A. Segel, Extending the quasi-steady state approximation by
changing variables, Bull. Math. Biol. 58 (1996) 43-63, doi:10.1007/BF02458281.
"""

import numpy as np

from mscale_uq.core.formula import Formula
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.system import Option
from mscale_uq.macro.lifted_closure import LiftedClosure, Lifting
from mscale_uq.macro.network import Reaction
from mscale_uq.macro.projective import ProjectiveRow
from mscale_uq.macro.row_balance import RowBalance
from mscale_uq.macro.settled_closure import SettledClosure

RECEPTORS = (
    Parameter("receptors", "1/um^3", 0.5, lower=0, meaning="free and bound"),
    Parameter("binding", "um^3/s", 0.05, lower=0, meaning="of a molecule to a receptor"),
    Parameter("release", "1/s", 0.1, lower=0, meaning="of a bound molecule, back to the outside"),
    Parameter("internalisation", "1/s", 1e-3, lower=0, meaning="of a bound molecule, which is lost"),
)
LIFTED_AT_EVERY_STEP = (
    Option("step", 1000.0, "s", "of the tissue, with receptors", lower=0),
    Option("marches", 4, "1", "with receptors: each has two replicas of every patch", lower=1),
    Option("lifted", 60.0, "1", "with receptors: molecules in a cell of any patch, on average", lower=0),
)
UPTAKE = (
    Quantity("half_bound", "1/um^3", "(release + internalisation)/binding: free, it binds half of them"),
    Quantity("saturated_uptake", "1/(um^3 s)", "when all receptors are bound"),
)
HOPS = 0.1  # of a molecule to one side in a burst
HEALING = 0.5  # of the time that binding takes to settle, before a burst


def saturation(binding, release, internalisation, receptors):
    """Concentration that binds half of the receptors, and uptake when all are bound."""
    return (release + internalisation) / binding, internalisation * receptors


def bound(c, receptors, half):
    """Concentration of bound molecules, and its derivative to the concentration c of all."""
    total = c + receptors + half
    b = 2 * c * receptors / (total + np.sqrt(total**2 - 4 * c * receptors))
    return b, (receptors - b) / (total - 2 * b)


class Receptors:
    """A cell with receptors, for `LiftedClosure`."""

    species = (Quantity("ligand", "1"), Quantity("receptor", "1"), Quantity("bound", "1"))
    reactions = (
        Reaction("binding", "binding", takes={"ligand": 1, "receptor": 1}, makes={"bound": 1}),
        Reaction("release", "release", takes={"bound": 1}, makes={"ligand": 1, "receptor": 1}),
        Reaction("internalisation", "internalisation", takes={"bound": 1}, makes={"receptor": 1}),
    )
    hopping, lost = "ligand", "internalisation"
    inputs = ("receptors", "binding", "release", "internalisation", "half_bound")

    def held(self, concentration, values):
        """Return free ligand, free receptors and bound ones, and their derivatives."""
        b, change = bound(concentration, values["receptors"], values["half_bound"])
        held = np.array([concentration - b, values["receptors"] - b, b])
        return held, np.array([1 - change, -change, change])

    def constants(self, values, volume):
        """Return the rate constants; a pair meets the more rarely, the larger the volume."""
        own = {name: values[name] for name in ("release", "internalisation")}
        return {**own, "binding": values["binding"] / volume}

    def few(self, values):
        """Return a concentration that binds next to no receptors, were it all free."""
        return 1e-4 * float(values["half_bound"])

    def settling(self, values):
        """Return the time in which binding settles, where it takes longest.

        Its rate is binding times the root of (c + r + K)^2 - 4 c r, least at c = r - K or in an empty tissue.
        """
        r, K = float(values["receptors"]), float(values["half_bound"])
        return 1 / (float(values["binding"]) * (r + K if r < K else 2 * np.sqrt(r * K)))


def marched(o, time, x):
    """Return the stages of a tissue with receptors, whose patches are lifted anew at every step."""
    balance = RowBalance(o.length, o.cells)
    rates = Formula(saturation, ("half_bound", "saturated_uptake"))
    if o.closed == "exact":
        return [rates, ProjectiveRow(balance, SettledClosure(Receptors()), time, x, "concentration", o.step)]
    lifting = Lifting(o.cell_width, o.lifted, 2, HOPS, HEALING)
    closure = LiftedClosure(Receptors(), lifting, balance.dx, o.cells, o.marches)
    return [rates, ProjectiveRow(balance, closure, time, x, "concentration", o.step, o.marches)]
