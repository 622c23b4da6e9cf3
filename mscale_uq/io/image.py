"""Images of two phases, from what a laboratory has: a black and white PNG, a table of 0 and 1, a NumPy file.

Nothing is guessed: a grey image is refused, since where to cut it is for a person to say.
"""

import warnings
from pathlib import Path

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.errors import DataError, explain

LARGEST = 4096**2  # pixels, or voxels
KINDS = ".png, .csv, .npy"


def read_image(path: Path, label: str) -> Array:
    """Return an image of 0 and 1, two axes (``.npy``: two or three), the first row on top.

    In a PNG black is 0 and white is 1.

    Raises
    ------
    DataError
        If the file is damaged, too large, of another kind, or holds anything else than two phases.
    """
    reader = {".png": _png, ".csv": _table, ".npy": _numpy}.get(path.suffix.lower())
    if reader is None:
        raise DataError(explain(f"{label}: an image in a {path.suffix or 'nameless'} file", KINDS))
    try:
        pixels = reader(path)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        given = (
            f"{label}: cannot be read as an image: {str(error).splitlines()[0] if str(error) else 'damaged'}"
        )
        raise DataError(explain(given, KINDS, "is the file whole?")) from None
    if pixels.ndim not in (2, 3) or not 0 < pixels.size <= LARGEST:
        given = f"{label}: an image of shape {pixels.shape}"
        raise DataError(explain(given, f"two or three axes, at most {LARGEST} pixels"))
    found = np.unique(pixels)
    if not np.isin(found, (0, 1)).all():
        given = f"{label}: {found.size} values between {found[0]:g} and {found[-1]:g}"
        hint = "choose the threshold between the phases, and save the image in black and white"
        raise DataError(explain(given, "0 and 1, in a PNG black and white", hint))
    return np.asarray(pixels, dtype=float)


def _png(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as image:
        if image.width * image.height > LARGEST:
            raise ValueError(f"{image.width} x {image.height} pixels")
        grey = np.asarray(image.convert("RGB"), dtype=float)
    if (np.ptp(grey, axis=2) > 0).any():
        raise ValueError("it has colours")
    return grey[..., 0] / 255.0


def _table(path: Path) -> np.ndarray:
    if path.stat().st_size > 4 * LARGEST:
        raise ValueError("the table is too large")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # an empty file
        try:
            return np.loadtxt(path, delimiter=",", ndmin=2)
        except UserWarning as empty:
            raise ValueError(str(empty)) from None


def _numpy(path: Path) -> np.ndarray:
    if path.stat().st_size > 8 * LARGEST + 4096:
        raise ValueError("the array is too large")
    pixels = np.load(path, allow_pickle=False)
    if not isinstance(pixels, np.ndarray) or pixels.dtype.kind not in "biuf":
        raise ValueError("no array of numbers")
    return pixels
