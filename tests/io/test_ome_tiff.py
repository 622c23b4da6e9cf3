"""Intensities of labelled cells are those of an independent program, at the times that the planes say."""

import re
import zlib

import numpy as np
import pytest
from scipy import ndimage

from mscale_uq.errors import DataError
from mscale_uq.io.lineage import read_cell_tracking_challenge
from mscale_uq.io.ome_tiff import read_ome_tiff

tifffile = pytest.importorskip("tifffile")
TIMES, CHANNELS, ROWS, COLUMNS = 3, 2, 24, 30
AXES = {"axes": "TCYX", "TimeIncrement": 5.0, "TimeIncrementUnit": "min"}
DELTAS = [0, 100, 300_500, 300_600, 601_000, 601_100]  # ms, as the order of planes has them


def pixels():
    return np.random.default_rng(3).integers(100, 4000, (TIMES, CHANNELS, ROWS, COLUMNS)).astype(np.uint16)


def labels():
    masks = np.zeros((TIMES, ROWS, COLUMNS), dtype=np.uint16)
    masks[:2, 2:8, 3:9] = 1
    masks[:, 12:20, 5:15] = 2
    masks[2, 2:5, 3:9], masks[2, 6:9, 3:9] = 3, 4
    return masks


def movie(folder, metadata=AXES, name="movie.ome.tif", data=None, **options):
    path = folder / name
    data = pixels() if data is None else data
    tifffile.imwrite(path, data, photometric="minisblack", metadata=metadata, **options)
    return path


def mask(folder, masks=None):
    path = folder / "labels.tif"
    tifffile.imwrite(path, labels() if masks is None else masks, photometric="minisblack")
    return path


def description(path):
    with tifffile.TiffFile(path) as file:
        return file.ome_metadata


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"rowsperstrip": 5}, {"bigtiff": True}])
def test_intensities_are_those_of_an_independent_program(tmp_path, channel, options):
    tracks = read_ome_tiff(movie(tmp_path, **options), mask(tmp_path), channel=channel)
    for time in range(TIMES):
        here = tracks.frames == time
        found = np.unique(labels()[time])[1:]
        assert tracks.cells[here].tolist() == found.astype(str).tolist()
        of = (pixels()[time, channel], labels()[time], found)
        assert np.allclose(tracks.column("MEAN_INTENSITY").values[here], ndimage.mean(*of), rtol=1e-14)
        assert np.allclose(tracks.column("TOTAL_INTENSITY").values[here], ndimage.sum_labels(*of), rtol=1e-14)
        assert np.array_equal(tracks.column("MAX_INTENSITY").values[here], ndimage.maximum(*of))
        areas = [(labels()[time] == one).sum() for one in found]
        assert tracks.column("AREA").values[here].tolist() == areas


def test_the_order_of_planes_is_the_one_the_file_says(tmp_path):
    swapped = movie(tmp_path, {**AXES, "axes": "CTYX"}, "swapped.ome.tif", pixels().swapaxes(0, 1))
    one, two = (read_ome_tiff(path, mask(tmp_path), channel=1) for path in (movie(tmp_path), swapped))
    assert np.array_equal(one.column("MEAN_INTENSITY").values, two.column("MEAN_INTENSITY").values)


def test_the_time_of_a_plane_goes_before_the_increment(tmp_path):
    planes = {"DeltaT": DELTAS, "DeltaTUnit": ["ms"] * 6}
    path = movie(tmp_path, {**AXES, "Plane": planes})
    tracks = read_ome_tiff(path, mask(tmp_path), channel=1)
    assert np.allclose(np.unique(tracks.times_in("s")), [0.1, 300.6, 601.1])
    without = read_ome_tiff(movie(tmp_path), mask(tmp_path))
    assert np.allclose(np.unique(without.times_in("s")), [0, 300, 600])
    given = read_ome_tiff(path, mask(tmp_path), frame_interval="4 min")
    assert np.unique(given.times_in("min")).tolist() == [0, 4, 8]


def test_a_movie_without_times_needs_an_interval(tmp_path):
    path = movie(tmp_path, {"axes": "TCYX"})
    with pytest.raises(DataError, match=r"neither DeltaT of the planes nor TimeIncrement; .*frame_interval"):
        read_ome_tiff(path, mask(tmp_path))


def test_a_lineage_says_whose_daughter_a_label_is(tmp_path):
    (tmp_path / "man_track.txt").write_text("1 0 1 0\n2 0 2 0\n3 2 2 1\n4 2 2 1\n")
    folder = tmp_path / "01_RES"
    folder.mkdir()
    for time, plane in enumerate(labels()):
        tifffile.imwrite(folder / f"mask{time:03d}.tif", plane)
    lineage = read_cell_tracking_challenge(tmp_path / "man_track.txt", frame_interval="5 min")
    tracks = read_ome_tiff(movie(tmp_path), folder, lineage=lineage)
    assert tracks.divisions == {"1": ("3", "4")}
    assert np.array_equal(tracks.cells, read_ome_tiff(movie(tmp_path), mask(tmp_path)).cells)


def test_a_cut_movie_is_refused_although_the_codec_reads_it(tmp_path):
    content = movie(tmp_path).read_bytes()
    read = 0
    for end in range(len(content) // 2, len(content) - 1, 401):
        path = tmp_path / "cut.ome.tif"
        path.write_bytes(content[:end])
        with tifffile.TiffFile(path) as file:
            read += file.pages[0].asarray().shape == (ROWS, COLUMNS)
        with pytest.raises(DataError, match=r"cut.ome.tif.*"):
            read_ome_tiff(path, mask(tmp_path))
    assert read > 10, "the codec reads what is there"


def edited(path, *changes):
    """Change the description of a movie, keeping its length."""
    content = path.read_bytes()
    for old, new in changes:
        assert old.encode() in content
        assert len(new) <= len(old)
        content = content.replace(old.encode(), new.ljust(len(old)).encode())
    path.write_bytes(content)
    return path


DESCRIPTIONS = {
    "many planes": (('SizeC="2" SizeT="3"', 'SizeC="9" SizeT="9"'), "some planes lie nowhere|81 planes|page"),
    "depth": (('SizeZ="1"', 'SizeZ="2"'), "2 planes in depth"),
    "another width": (('SizeX="30"', 'SizeX="31"'), r"page 0 has shape \(24, 30\); allowed: \(24, 31\)"),
    "another type": (('Type="uint16"', 'Type="int16" '), "page 0 holds uint16; allowed: int16"),
    "no size": (('SizeT="3"', 'SizeT="x"'), "SizeT = 'x'; allowed: a whole number"),
    "an entity": ("<?xml version=", "<!DOCTYPE x >"),
    "no XML": (("</Pixels>", "<Pixels>"), "is no XML"),
    "no unit of time": (('Unit="min"', 'Unit="um"'), "TimeIncrement"),
    "an infinite time": (('TimeIncrement="5.0"', 'TimeIncrement="inf"'), "a finite time"),
}


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_a_description_that_does_not_fit_the_pages_is_refused(tmp_path, what):
    change, message = DESCRIPTIONS[what]
    if what == "an entity":
        change, message = (change, message), "defines entities"
    with pytest.raises(DataError, match=message):
        read_ome_tiff(edited(movie(tmp_path), change), mask(tmp_path))


def test_a_million_planes_are_refused_by_what_they_declare(tmp_path):
    text = description(movie(tmp_path)).replace('SizeT="3"', 'SizeT="999999999"')
    path = tmp_path / "bomb.ome.tif"
    tifffile.imwrite(path, pixels()[0, 0], description=text, metadata=None)
    with pytest.raises(DataError, match="declares 1999999998 planes; allowed: at most"):
        read_ome_tiff(path, mask(tmp_path))


def sized(path, rows, columns, strip=b"x"):
    """Write a movie of one plane that declares a size and holds one strip, unpacked by deflate."""
    text = re.sub(
        r'Size([XYCT])="\d+"',
        lambda m: f'Size{m[1]}="{ {"X": columns, "Y": rows, "C": 1, "T": 1}[m[1]] }"',
        description(path),
    )
    text = re.sub(r"<TiffData[^>]*/>", "", text)
    bomb = path.with_name("bomb.ome.tif")
    tifffile.imwrite(bomb, np.zeros((4, 4), np.uint16), description=text, metadata=None, compression="zlib")
    with tifffile.TiffFile(bomb, mode="r+b") as file:
        tags = file.pages[0].tags
        for name, value in (("ImageWidth", columns), ("ImageLength", rows), ("RowsPerStrip", rows)):
            tags[name].overwrite(value, dtype="I")
        size = file.filehandle.size
        file.filehandle.seek(size)
        file.filehandle.write(strip)
        tags["StripOffsets"].overwrite(size)
        tags["StripByteCounts"].overwrite(len(strip), dtype="I")
    return bomb


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (10**6, 10**6, "declares 1000000000000 pixels in a channel; allowed: at most"),
        (10**5, 10**5, "page 0 declares 20000000000 bytes; allowed: at most"),
        (20_000, 20_000, "page 0 holds 100000000 bytes in a strip; allowed: 800000000"),
        (4, 4, "page 0 holds 33 bytes in a strip; allowed: 32"),
    ],
)
def test_a_plane_that_declares_or_unpacks_too_much_is_refused(tmp_path, rows, columns, message):
    path = sized(movie(tmp_path), rows, columns, zlib.compress(bytes(10**8)))
    with pytest.raises(DataError, match=message):
        read_ome_tiff(path, mask(tmp_path, labels()[0]), frame_interval="1 min")


def test_planes_of_another_file_are_refused(tmp_path):
    text = description(movie(tmp_path))
    link = '<TiffData IFD="0" PlaneCount="6"><UUID FileName="other.ome.tif">urn:uuid:1</UUID></TiffData>'
    path = tmp_path / "part.ome.tif"
    described = re.sub(r"<TiffData[^>]*/>", link, text)
    tifffile.imwrite(path, pixels().reshape(6, ROWS, COLUMNS), description=described, metadata=None)
    with pytest.raises(DataError, match=r"planes lie in 'other.ome.tif'"):
        read_ome_tiff(path, mask(tmp_path))


def test_labels_must_be_of_the_same_times_and_planes(tmp_path):
    short = tmp_path / "short.tif"
    tifffile.imwrite(short, labels()[:2], photometric="minisblack")
    with pytest.raises(DataError, match=r"short.tif: labels of 2 times; allowed: 3"):
        read_ome_tiff(movie(tmp_path), short)
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, labels()[:, :-1], photometric="minisblack")
    with pytest.raises(DataError, match=r"small.tif: page 0 has shape \(23, 30\)"):
        read_ome_tiff(movie(tmp_path), small)
    decimal = tmp_path / "decimal.tif"
    tifffile.imwrite(decimal, labels().astype(np.float32), photometric="minisblack")
    with pytest.raises(DataError, match="holds float32; allowed: whole numbers"):
        read_ome_tiff(movie(tmp_path), decimal)


def test_a_tiff_without_description_or_no_tiff_is_refused(tmp_path):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, pixels()[0, 0])
    with pytest.raises(DataError, match="no OME-XML in its first page"):
        read_ome_tiff(path, mask(tmp_path))
    path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="no whole TIFF file"):
        read_ome_tiff(path, mask(tmp_path))


def test_a_channel_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="channel 2; allowed: 0 to 1"):
        read_ome_tiff(movie(tmp_path), mask(tmp_path), channel=2)
