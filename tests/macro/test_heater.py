import pickle

import numpy as np
import pytest
from skfem import Basis, ElementQuad1

from mscale_uq.errors import InputError
from mscale_uq.macro.boundary import Dirichlet, Source
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.heater import Heater
from mscale_uq.macro.mesh import tensor_mesh
from mscale_uq.macro.steady import SteadyDiffusion


def test_a_heater_pours_out_exactly_its_strength():
    """What a heater feeds in leaves through the held sides, to round-off."""
    nodes = np.linspace(0, 1, 9)
    problem = DiffusionProblem(
        Basis(tensor_mesh(nodes, nodes), ElementQuad1()),
        conductivity=1.0,
        sources=Source("power", Heater((0.25, 0.5), (0.5, 0.875))),
        boundaries={"left": Dirichlet(0.0)},
        fluxes={"inflow": "left"},
    )
    made = SteadyDiffusion(problem).value({"power": np.array(7.0)})
    assert made["inflow"] == pytest.approx(-7.0, rel=1e-12)


@pytest.mark.parametrize(
    ("lower", "upper"), [((0.0, 0.5), (1.0, 0.5)), ((0.0,), (1.0, 1.0)), ((1.0,), (0.0,))]
)
def test_an_empty_heater_is_refused(lower, upper):
    with pytest.raises(InputError, match="lower < upper"):
        Heater(lower, upper)


def test_a_heater_pickles():
    heater = Heater((0.0,), (0.5,))
    assert pickle.loads(pickle.dumps(heater)) == heater
