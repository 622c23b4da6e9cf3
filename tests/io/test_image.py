"""An image is what its file holds, in each kind of file, and nothing is guessed."""

import numpy as np
import pytest
from PIL import Image

from mscale_uq.errors import DataError
from mscale_uq.io.image import read_image

PORES = np.array([[1, 0, 1], [1, 0, 0]])


def png(path, values, mode="L"):
    Image.fromarray(np.asarray(values, dtype=np.uint8)).convert(mode).save(path)


def test_every_kind_of_file_holds_the_same_image(tmp_path):
    png(tmp_path / "a.png", 255 * PORES)
    png(tmp_path / "b.png", 255 * PORES, "1")
    png(tmp_path / "c.png", 255 * PORES, "RGB")
    np.save(tmp_path / "d.npy", PORES.astype(bool))
    (tmp_path / "e.csv").write_text("1,0,1\n1,0,0\n")
    for path in sorted(tmp_path.iterdir()):
        assert read_image(path, path.name).tolist() == PORES.tolist(), path.name


def spoil(path, what):
    if what == "grey":
        png(path.with_suffix(".png"), 40 * PORES + 10)
    elif what == "colours":
        Image.new("RGB", (3, 3), (255, 0, 0)).save(path.with_suffix(".png"))
    elif what == "half a file":
        png(path.with_suffix(".png"), 255 * np.eye(64))
        whole = path.with_suffix(".png").read_bytes()
        path.with_suffix(".png").write_bytes(whole[: len(whole) // 2])
    elif what == "a pickle":
        np.save(path.with_suffix(".npy"), np.array([{}], dtype=object), allow_pickle=True)
    elif what == "no image":
        path.with_suffix(".png").write_text("hello")
    elif what == "a cut row":
        path.with_suffix(".csv").write_text("1,0\n1\n")
    elif what == "an empty table":
        path.with_suffix(".csv").write_text("")
    elif what == "another kind":
        path.with_suffix(".bmp").write_bytes(b"BM")
    elif what == "one axis":
        np.save(path.with_suffix(".npy"), np.ones(3))


MISTAKES = {
    "grey": "x.png: 2 values between 0.0392157 and 0.196078; allowed: 0 and 1.*choose the threshold",
    "colours": "x.png: cannot be read as an image: it has colours",
    "half a file": "x.png: cannot be read as an image",
    "a pickle": "x.npy: cannot be read as an image",
    "no image": "x.png: cannot be read as an image",
    "a cut row": "x.csv: cannot be read as an image",
    "an empty table": "x.csv: cannot be read as an image",
    "another kind": "x.bmp: an image in a .bmp file; allowed: .png, .csv, .npy",
    "one axis": r"x.npy: an image of shape \(3,\)",
}


@pytest.mark.parametrize("what", MISTAKES)
def test_what_is_no_image_of_two_phases_is_refused(tmp_path, what):
    spoil(tmp_path / "x", what)
    (path,) = tmp_path.iterdir()
    with pytest.raises(DataError, match=MISTAKES[what]):
        read_image(path, path.name)
