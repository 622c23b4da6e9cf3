"""Meshes of a line and of a square, and steady fields on them."""

import numpy as np
from skfem import (
    Basis,
    ElementLineP1,
    ElementQuad1,
)

from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.mesh import interval_mesh, tensor_mesh
from mscale_uq.macro.steady import SteadyDiffusion


def line(n, element=None, length=1.0):
    return Basis(interval_mesh(np.linspace(0.0, length, n + 1)), element or ElementLineP1())


def square(n, element=None):
    x = np.linspace(0.0, 1.0, n + 1)
    element = element or ElementQuad1()
    return Basis(tensor_mesh(x, x, triangles="Tri" in type(element).__name__), element)


def solve(basis, values=None, **terms):
    return SteadyDiffusion(DiffusionProblem(basis, **terms)).value(values or {})
