"""The closure of very many molecules, for cells whose flux and loss are known in closed form."""

import numpy as np
import pytest

from mscale_uq.core.parameter import Quantity
from mscale_uq.errors import WiringError
from mscale_uq.macro.network import Hill, Reaction
from mscale_uq.macro.settled_closure import SettledClosure

STATES = np.array([[4.0, 2.0, 1.0, 0.5], [0.0, 1.0, 0.0, 3.0]])


class Sticking:
    """A share K/(1 + K) of the molecules sticks and does not hop; what sticks is lost, alone or in pairs."""

    species = (Quantity("free", "1"), Quantity("stuck", "1"))
    hopping, lost, inputs = "free", "loss", ("K", "rate")

    def __init__(self, meeting=1, hill=None):
        self.reactions = (Reaction("loss", "rate", takes={"stuck": meeting}, hill=hill),)

    def held(self, concentration, values):
        shares = np.array([1.0, values["K"]]) / (1 + values["K"])
        held = np.multiply.outer(shares, concentration)
        return held, np.broadcast_to(shares[:, None, None], held.shape)

    def constants(self, values, volume):
        return {"rate": values["rate"] / volume}

    def few(self, values):
        return 1e-4

    def settling(self, values):
        return 1.0


VALUES = {"diffusivity": 0.3, "K": 0.25, "rate": 0.02}


def test_what_sticks_does_not_hop_and_alone_is_lost():
    hopping, loss = SettledClosure(Sticking()).closed(STATES, VALUES, 7)
    assert hopping == pytest.approx(np.full((2, 3), 0.3 * 0.8), rel=1e-14)
    assert loss == pytest.approx(np.full((2, 4), 0.02 * 0.2), rel=1e-14)


def test_pairs_that_meet_are_lost_as_the_square_of_their_number_over_two():
    _, loss = SettledClosure(Sticking(meeting=2)).closed(STATES, VALUES, 7)
    c = np.maximum(STATES, 1e-12)
    assert loss * c == pytest.approx(0.02 * (0.2 * c) ** 2 / 2, rel=1e-12)


def test_it_reads_what_the_cell_reads_and_refuses_what_is_no_mass_action():
    assert SettledClosure(Sticking()).inputs == ("diffusivity", "K", "rate")
    with pytest.raises(WiringError, match="Hill"):
        SettledClosure(Sticking(hill=Hill("free", "K", "rate")))
