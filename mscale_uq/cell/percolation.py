"""Which pores of a periodic image lead through it, and along which axes.

Two pixels are neighbours if they share a face; pixels that only touch at an edge or a corner are not. The
image repeats in all directions. Pores lead through along an axis if a path inside them comes back to the same
pixel one or more images further along that axis, whatever detours it takes.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from mscale_uq.errors import InputError, explain

Step = tuple[int, ...]


@final
@dataclass(frozen=True)
class Percolation:
    """The part of an image's pores that leads through it.

    Attributes
    ----------
    pores
        True in the pixels of pores that lead through along at least one axis; islands are left out.
    axes
        Whether any pore leads through along each axis.
    """

    pores: np.ndarray
    axes: tuple[bool, ...]


def checked_image(image: ArrayLike) -> np.ndarray:
    """Return an image of pores, true or one, as booleans; two or three axes.

    Raises
    ------
    InputError
        If it has another number of axes, no pixels, or other values than true and false or 0 and 1.
    """
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise InputError(explain(f"an image of shape {pixels.shape}", "two or three axes"))
    if pixels.dtype != bool and not np.isin(pixels, (0, 1)).all():
        values = ", ".join(f"{value:g}" for value in np.unique(pixels)[:4])
        hint = "pores = image == label, or image > threshold"
        raise InputError(explain(f"an image with the values {values}, ..", "0 (solid) and 1 (pore)", hint))
    return pixels.astype(bool)


def percolating(image: ArrayLike) -> Percolation:
    """Return which pores of an image (true, or 1, is pore) lead through it.

    Raises
    ------
    InputError
        If the image is not one of pores and solid.
    """
    pores = checked_image(image)
    labels, count = ndimage.label(pores)
    through = np.zeros((count + 1, pores.ndim), dtype=bool)
    links = _links(labels)
    unseen = set(range(1, count + 1))
    while unseen:
        members, axes = _walk(unseen.pop(), links, pores.ndim)
        unseen -= set(members)
        through[members] = axes
    leads, axes = np.asarray(through.any(axis=1)), np.asarray(through.any(axis=0))
    return Percolation(leads[labels], tuple(axes.tolist()))


def _links(labels: np.ndarray) -> dict[int, list[tuple[int, Step]]]:
    """Return label -> (label, images passed) for all pores that meet across a side of the image."""
    links: dict[int, list[tuple[int, Step]]] = {}
    for axis in range(labels.ndim):
        across = np.stack([labels.take(-1, axis).ravel(), labels.take(0, axis).ravel()])
        meeting = across[:, (across > 0).all(axis=0)]
        step = np.eye(labels.ndim, dtype=int)[axis]
        for here, there in np.unique(meeting, axis=1).T.tolist():
            links.setdefault(here, []).append((there, tuple(step.tolist())))
            links.setdefault(there, []).append((here, tuple((-step).tolist())))
    return links


def _walk(
    start: int, links: dict[int, list[tuple[int, Step]]], dimension: int
) -> tuple[list[int], np.ndarray]:
    """Return all labels that hang together with `start`, and the axes along which they lead through.

    Every label is reached over some number of images; reaching it again over another number closes a path
    that leads through along the axes in which the numbers differ.
    """
    places = {start: np.zeros(dimension, dtype=int)}
    axes = np.zeros(dimension, dtype=bool)
    todo = [start]
    while todo:
        here = todo.pop()
        for there, step in links.get(here, []):
            place = places[here] + step
            if there in places:
                axes |= places[there] != place
            else:
                places[there] = place
                todo.append(there)
    return list(places), axes
