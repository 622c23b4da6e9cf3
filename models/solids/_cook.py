"""Cook's panel: a tapered one, held on the left and sheared on the right, on which elements are tried."""

import numpy as np
from skfem import MeshQuad

from mscale_uq.macro.mesh import tensor_mesh

WIDTH = 0.048  # m
# In units of its width: heights of the held side, of the loaded side, and where that begins.
HELD, LOADED, RISE = 44 / 48, 16 / 48, 44 / 48
# Points of a default layout in m: shares of the width, and of the height there.
ACROSS, UP = np.tile([0.25, 0.5, 0.75, 0.95], 3), np.repeat([0.2, 0.5, 0.8], 4)
X = tuple(WIDTH * ACROSS)
Y = tuple(WIDTH * (RISE * ACROSS + UP * (HELD + (LOADED - HELD) * ACROSS)))


def panel(width, elements, grading=2.0):
    """Return Cook's panel with its corner at the origin, finer towards the held corners."""
    t = np.linspace(-1, 1, elements + 1)
    up = (1 + np.sign(t) * (1 - (1 - np.abs(t)) ** grading)) / 2
    mesh = tensor_mesh(np.linspace(0, 1, elements + 1) ** grading, up)
    x, y = mesh.p
    places = np.array([x, RISE * x + y * (HELD + (LOADED - HELD) * x)])
    return MeshQuad(width * places, mesh.t).with_boundaries(mesh.boundaries)
