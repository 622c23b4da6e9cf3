"""Diffusion through the pores of a periodic image of two or three axes, with an insulating solid.

One finite volume per pore pixel; a face between two pores conducts, a face to the solid does not. For each
axis j the correction chi_j of the linear potential y_j vanishes from

    sum over the faces of a pixel of (e_j + grad chi_j) = 0,
    K_ij = mean over all pixels of (e_i + grad chi_i) . (e_j + grad chi_j),

a mean of products of face gradients. K is D_eff/D. It is exact for straight channels; at the stairs of a
digitised curved wall the error falls at first order in the pixel size. Faces, not corners, connect: an
image of pixels that only touch at corners does not conduct.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import cg

from mscale_uq.cell.percolation import checked_image, percolating
from mscale_uq.cell.porous import tortuosity_factor
from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, SolveFailed, explain

NAME = "pore image"
# The error of K is the square of that of chi: this leaves it at round-off.
PRECISION = 1e-8
ROUNDS = 20_000


@final
@dataclass(frozen=True)
class PoreTransport:
    """How well an image's pores conduct.

    Attributes
    ----------
    tensor
        D_eff/D ``(axes, axes)``, dimensionless; zero along an axis along which no pore leads through.
    percolates
        Whether any pore leads through the image along each axis.
    porosity
        Share of pore pixels.
    percolating_porosity
        Share of pixels in pores that lead through along some axis; the rest are islands.
    """

    tensor: Array
    percolates: tuple[bool, ...]
    porosity: float
    percolating_porosity: float

    def tortuosity_factor(self, axis: int) -> float:
        """Return porosity times D/D_eff along an axis; infinite if no pore leads through."""
        return float(tortuosity_factor(self.porosity, self.tensor[axis, axis]))


def pore_transport(image: ArrayLike, lengths: Sequence[float] | None = None) -> PoreTransport:
    """Return how well the pores of a periodic image conduct relative to what fills them.

    Parameters
    ----------
    image
        Two or three axes; true, or 1, is pore.
    lengths
        Sides of the image along its axes; only their ratios matter. Square or cubic pixels unless given.

    Raises
    ------
    InputError
        If the image is not one of pores and solid, or the lengths are not positive.
    SolveFailed
        If the iteration does not converge.

    Examples
    --------
    >>> channels = [[1, 1, 1], [0, 0, 0]]
    >>> found = pore_transport(channels)
    >>> found.percolates, found.tensor.round(12).tolist(), found.tortuosity_factor(1)
    ((False, True), [[0.0, 0.0], [0.0, 0.5]], 1.0)
    """
    pores = checked_image(image)
    sizes = _pixel_sizes(pores, lengths)
    part = percolating(pores)
    faces = [_face_differences(part.pores, axis) / size for axis, size in enumerate(sizes)]
    tensor = np.zeros((pores.ndim, pores.ndim))
    if any(part.axes):
        tensor = _tensor(faces, np.array(part.axes)) / pores.size
    return PoreTransport(tensor, part.axes, float(pores.mean()), float(part.pores.mean()))


def through_plane(image: ArrayLike, axis: int, lengths: Sequence[float] | None = None) -> float:
    """Return D_eff/D along one axis of an image that does not repeat: held at its ends, closed at its sides.

    Mirroring the image in all its sides gives the same problem as a periodic one. Other arguments and errors
    as in `pore_transport`.
    """
    pores = checked_image(image)
    mirrored = np.pad(pores, [(0, n) for n in pores.shape], mode="symmetric")
    return float(pore_transport(mirrored, lengths).tensor[axis, axis])


def _pixel_sizes(pores: np.ndarray, lengths: Sequence[float] | None) -> Array:
    if lengths is None:
        return np.ones(pores.ndim)
    sides = np.asarray(lengths, dtype=float)
    if sides.shape != (pores.ndim,) or not (np.isfinite(sides) & (sides > 0)).all():
        raise InputError(explain(f"lengths={lengths}", f"{pores.ndim} positive numbers"))
    sizes: Array = sides / pores.shape
    return sizes / sizes.max()


def _face_differences(pores: np.ndarray, axis: int) -> csr_array:
    """Return the differences across all open faces along an axis, ``(faces, pores)``, periodic."""
    number = np.where(pores, np.cumsum(pores).reshape(pores.shape) - 1, -1)
    ahead = np.roll(number, -1, axis)
    is_open = (number >= 0) & (ahead >= 0)
    here, there = number[is_open], ahead[is_open]
    face = np.arange(here.size)
    entries = (np.repeat([-1.0, 1.0], here.size), (np.tile(face, 2), np.concatenate([here, there])))
    return csr_array(entries, shape=(here.size, int(pores.sum())))


def _tensor(faces: Sequence[csr_array], axes: np.ndarray) -> Array:
    """Return the sum over all faces of the products of gradients, for the axes that lead through."""
    conduction = csr_array(sum(part.T @ part for part in faces))
    gradients = [_gradient(conduction, faces, int(axis)) for axis in np.flatnonzero(axes)]
    tensor = np.zeros((axes.size, axes.size))
    tensor[np.ix_(axes, axes)] = np.array(gradients) @ np.array(gradients).T
    return tensor


def _gradient(conduction: csr_array, faces: Sequence[csr_array], axis: int) -> Array:
    """Return e_j + grad chi_j on all faces, for one axis j."""
    uniform = np.concatenate([np.full(part.shape[0], float(i == axis)) for i, part in enumerate(faces)])
    load = -(faces[axis].T @ np.ones(faces[axis].shape[0]))
    # A pixel whose faces are all its own has no equation; its diagonal is zero.
    diagonal = conduction.diagonal()
    scale = diags_array(1.0 / np.where(diagonal > 0, diagonal, 1.0))
    chi, unfinished = cg(conduction, load, rtol=PRECISION, maxiter=ROUNDS, M=scale)
    if unfinished:
        raise SolveFailed(NAME, {}, f"no convergence in {ROUNDS} rounds of conjugate gradients")
    return uniform + np.concatenate([part @ chi for part in faces])
