"""Weak forms of diffusion, and the places of their element contributions in one extended sparse matrix.

The rows of the extended matrix are the nodal equations, then one row per exchanged flow; its columns are the
nodal unknowns, then one column per known value (a source strength, an ambient). A contribution is
``weight * p[slot]`` at (row, column), with p the vector of all coefficients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from skfem import Basis, BilinearForm, LinearForm

from mscale_uq.core.parameter import Array
from mscale_uq.errors import InputError, explain


@BilinearForm
def conduction(u: Any, v: Any, w: Any) -> Any:
    """One entry K_ij of K grad u . grad v."""
    return u.grad[w["j"]] * v.grad[w["i"]]


@BilinearForm
def content(u: Any, v: Any, w: Any) -> Any:  # noqa: ARG001
    """Reaction, storage, or exchange at a boundary."""
    return u * v


@LinearForm
def inflow(v: Any, w: Any) -> Any:
    """A source inside, or a flow through a boundary."""
    return w["profile"] * v


@final
@dataclass(frozen=True)
class Contributions:
    """``weights * p[slots]`` at (`rows`, `columns`); all arrays have one length."""

    rows: np.ndarray
    columns: np.ndarray
    slots: np.ndarray
    weights: Array


def at(rows: Any, columns: Any, slots: Any, weights: Any) -> Contributions:
    """Return contributions from arrays that broadcast against each other."""
    return Contributions(*(np.ravel(part) for part in np.broadcast_arrays(rows, columns, slots, weights)))


def matrix_of(form: BilinearForm, basis: Basis, slots: Any, **options: Any) -> Contributions:
    """Return a bilinear form; `slots` is one place in p, or one per element (or boundary facet)."""
    local = form.elemental(basis, **options)
    return at(local.indices[0], local.indices[1], _per_element(slots, local.data, basis), local.data)


def conduction_of(basis: Basis, slots: np.ndarray) -> list[Contributions]:
    """Return K grad u . grad v for K of any kind: `slots` is shaped like its value."""
    axes = range(basis.mesh.dim())
    if slots.ndim < 2:
        return [matrix_of(conduction, basis, slots, i=i, j=i) for i in axes]
    return [matrix_of(conduction, basis, slots[..., i, j], i=i, j=j) for i in axes for j in axes]


def vector_of(
    basis: Basis, profile: Callable[[Array], Array] | Array | None
) -> tuple[np.ndarray, Array, np.ndarray]:
    """Return rows, weights and element of ``profile * v``, element by element."""
    local = inflow.elemental(basis, profile=_at_quadrature(basis, profile))
    element = np.broadcast_to(np.arange(basis.nelems), (basis.Nbfun, basis.nelems)).ravel()
    return local.indices[0], local.data, element


def stack(parts: Sequence[Contributions]) -> Contributions:
    """Return all contributions as one."""
    fields = ("rows", "columns", "slots", "weights")
    return Contributions(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


def _per_element(slots: Any, data: Array, basis: Basis) -> np.ndarray:
    return np.broadcast_to(slots, (data.size // basis.nelems, basis.nelems)).ravel()


def _at_quadrature(basis: Basis, profile: Any) -> Array:
    shape = basis.dx.shape
    if profile is None:
        return np.ones(shape)
    if callable(profile):
        values = np.asarray(profile(np.asarray(basis.global_coordinates())), dtype=float)
    else:
        values = np.asarray(profile, dtype=float)[:, None]
    try:
        return np.broadcast_to(values, shape).copy()
    except ValueError:
        raise InputError(
            explain(
                f"a profile with values of shape {values.shape}",
                f"a function of coordinates that gives {shape}, or ({shape[0]},): one number per element",
            )
        ) from None
