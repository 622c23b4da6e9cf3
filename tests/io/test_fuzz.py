"""Damaged files are refused, or read to the right shape, in bounded time and memory.

Every reader is given 200 copies that are cut and 200 in which one bit is turned. Each runs in a process of
its own with limits on memory and time: libraries in C can crash or hang on such files, which no Python code
can prevent.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

WORKER = Path(__file__).with_name("fuzz_worker.py")
CUTS = FLIPS = 200


def trackmate(folder):
    keys = "ID,LABEL,TRACK_ID,TRACK_NAME,TRACK_VISIBLE,QUALITY,POSITION_X,POSITION_T,FRAME,MEAN_INTENSITY_CH1"
    names = "ID,Label,Track ID,Track name,Track visibility,Quality,X,T,Frame,Mean ch1"
    rows = [
        f"{i},ID{i},{i % 4},Track_{i % 4},1,{1.5 * i},{i / 7},{5.0 * (i // 4)},{i // 4},{100.5 + i}"
        for i in range(39)
    ]
    missing = "39,ID39,0,Track_0,1,1.0,1.0,50.0,10,ø"
    lines = [
        keys,
        names,
        ",,,,,(quality),(micron),(min),,(counts)",
        *rows,
        missing,
    ]
    path = folder / "spots.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def btrack(folder):
    rows = [f"{i % 4} {i // 4} {i / 7} 3.0 0.0 {i % 4} {i % 4} 0 0 {i == 9} {100.5 + i}" for i in range(40)]
    path = folder / "tracks.csv"
    header = "ID t x y z parent root state generation dummy GFP"
    path.write_text("\r\n".join([header, *rows]) + "\r\n")
    return path


def lineage(folder):
    path = folder / "man_track.txt"
    path.write_text("".join(f"{i} {i} {i + 5} {i - 6 if i > 6 else 0}\n" for i in range(1, 40)))
    return path


def h5ad(folder, compression=None):
    anndata = pytest.importorskip("anndata")
    rng = np.random.default_rng(5)
    counts = sparse.csr_matrix(rng.poisson(0.5, (30, 20)))
    obs = pd.DataFrame(
        {"time": pd.Categorical(rng.choice(["0", "12"], 30)), "batch": pd.Categorical(["a", "b"] * 15)},
        index=[f"cell{i}" for i in range(30)],
    )
    obs["size_factors"] = rng.lognormal(0.0, 0.3, 30)
    data = anndata.AnnData(sparse.csr_matrix((30, 20), dtype=np.float32), obs)
    data.layers["counts"] = counts
    path = folder / "cells.h5ad"
    data.write_h5ad(path, compression=compression)
    return path


def packed_h5ad(folder):
    return h5ad(folder, "gzip")


def ome_tiff(folder, compression=None):
    tifffile = pytest.importorskip("tifffile")
    data = np.random.default_rng(3).integers(0, 400, (3, 2, 8, 9)).astype(np.uint16)
    masks = np.zeros((3, 8, 9), dtype=np.uint16)
    masks[:, 1:4, 1:4], masks[:, 5:, 5:] = 1, 2
    tifffile.imwrite(folder / "labels.tif", masks, photometric="minisblack")
    planes = {"DeltaT": [0.0, 0.1, 5.0, 5.1, 10.0, 10.1], "DeltaTUnit": ["min"] * 6}
    path = folder / "movie.tif"
    description = {"axes": "TCYX", "Plane": planes}
    tifffile.imwrite(
        path, data, photometric="minisblack", ome=True, metadata=description, compression=compression
    )
    return path


def packed_ome_tiff(folder):
    return ome_tiff(folder, "zlib")


def trackmate_xml(folder):
    spots = "".join(
        f'<Spot ID="{i}" name="ID{i}" POSITION_T="{5.0 * (i // 2)}" FRAME="{i // 2}" RADIUS="{i + 1}.5" />'
        for i in range(20)
    )
    edges = "".join(f'<Edge SPOT_SOURCE_ID="{i}" SPOT_TARGET_ID="{i + 2}" />' for i in range(18))
    path = folder / "tracks.xml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><TrackMate><Model spatialunits="micron" timeunits="min">'
        f"<AllSpots>{spots}</AllSpots><AllTracks><Track TRACK_ID='0'>{edges}</Track></AllTracks>"
        "<FilteredTracks><TrackID TRACK_ID='0' /></FilteredTracks></Model></TrackMate>"
    )
    return path


# reader -> (file, module, function, options)
READERS = {
    "ome-tiff": (ome_tiff, "ome_tiff", "read_ome_tiff", {"labels": "labels.tif"}),
    "packed ome-tiff": (packed_ome_tiff, "ome_tiff", "read_ome_tiff", {"labels": "labels.tif"}),
    "trackmate": (trackmate, "trackmate", "read_trackmate", {"columns": {"y": "MEAN_INTENSITY_CH1"}}),
    "trackmate xml": (
        trackmate_xml,
        "trackmate_xml",
        "read_trackmate_xml",
        {"columns": {"y": "RADIUS"}},
    ),
    "btrack": (btrack, "track_table", "read_btrack", {"frame_interval": "5 min", "columns": {"y": "GFP"}}),
    "csv": (
        btrack,
        "track_table",
        "read_track_table",
        {
            "columns": {"cell": "ID", "frame": "t", "y": "GFP"},
            "frame_interval": "1 h",
            "separator": " ",
        },
    ),
    "challenge": (lineage, "lineage", "read_cell_tracking_challenge", {"frame_interval": "30 min"}),
    "h5ad": (h5ad, "h5ad", "read_h5ad", {"time_unit": "h"}),
    "packed h5ad": (packed_h5ad, "h5ad", "read_h5ad", {"time_unit": "h"}),
}


SLOW = {"csv", "packed h5ad", "packed ome-tiff"}  # as the one above, with other options


@pytest.mark.parametrize(
    "reader", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in READERS]
)
def test_a_damaged_file_is_refused_or_read_to_the_right_shape(tmp_path, reader):
    write, module, function, options = READERS[reader]
    path = write(tmp_path)
    command = [str(WORKER), f"mscale_uq.io.{module}", function, json.dumps(options), str(path), "1"]
    done = subprocess.run(
        [sys.executable, *command, str(CUTS), str(FLIPS)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    last = lines[-1]["what"] if lines else "none"
    assert done.returncode == 0, f"ended with {done.returncode} after {last}: {done.stderr[-2000:]}"
    whole, copies = lines[0], lines[1:]
    assert len(copies) == CUTS + FLIPS
    assert len(whole["rows"]) == 1
    read = [copy for copy in copies if "shape" in copy]
    for copy in read:
        assert len(copy["rows"]) == 1, copy
        assert copy["shape"][1] == whole["shape"][1], copy
    if "h5ad" in reader or "tiff" in reader:
        assert all(copy["shape"] == whole["shape"] for copy in read)
        assert not any(copy["what"].startswith("cut") for copy in read), "half a file was read"
    assert all("copy" in copy["refused"] for copy in copies if "refused" in copy), (
        "the message names the file"
    )
