"""Tables of other trackers: a column map, btrack's dummies, the Cell Tracking Challenge's lineages."""

import numpy as np
import pytest

from mscale_uq.errors import DataError
from mscale_uq.io.lineage import read_cell_tracking_challenge
from mscale_uq.io.track_table import read_btrack, read_track_table

TABLE = "track,t [min],mean GFP,mother\nA1,0,10.5,\nA1,5,,\nB,5,12,A1\nC,5,13,A1\n"
MAP = {"cell": "track", "time": "t", "intensity": "mean GFP", "parent": "mother"}
BTRACK = (
    "ID t x y z parent root state generation dummy GFP\r\n"
    "1 0 10.5 3.0 0.0 1 1 0 0 False 100.0\r\n"
    "1 1 10.7 3.1 0.0 1 1 0 0 True nan\r\n"
    "1 2 10.9 3.2 0.0 1 1 0 0 False 101.0\r\n"
    "2 3 11.0 3.3 0.0 1 1 0 1 False 50.0\r\n"
    "3 3 10.8 3.3 0.0 1 1 0 1 False 51.0\r\n"
)
CHALLENGE = "1 0 5 0\n2 6 9 1\n3 6 8 1\n4 10 12 2\n"


def written(tmp_path, content):
    path = tmp_path / "tracks.csv"
    path.write_bytes(content.encode())
    return path


def test_a_map_says_which_column_is_what(tmp_path):
    tracks = read_track_table(written(tmp_path, TABLE), columns=MAP, units={"intensity": "counts"})
    assert tracks.cells.tolist() == ["A1", "A1", "B", "C"]
    assert tracks.times.tolist() == [0, 5, 5, 5]
    assert tracks.time_unit == "min"
    assert tracks.parents == {"B": "A1", "C": "A1"}
    assert tracks.divisions == {"A1": ("B", "C")}
    intensity = tracks.column("intensity")
    assert intensity.unit == "counts"
    assert np.array_equal(intensity.values, [10.5, np.nan, 12, 13], equal_nan=True)


def test_what_the_map_does_not_name_is_read_only_if_it_names_nothing_measured(tmp_path):
    path = written(tmp_path, "track,t [min],GFP,RFP\n1,0,2,3\n")
    roles = {"cell": "track", "time": "t"}
    assert [c.name for c in read_track_table(path, columns=roles).columns] == ["GFP", "RFP"]
    assert [c.name for c in read_track_table(path, columns={**roles, "y": "RFP"}).columns] == ["y"]


@pytest.mark.parametrize("separator", [";", "\t", " "])
def test_any_separator_will_do(tmp_path, separator):
    text = "track,frame,y\n1,0,2\n1,1,3\n".replace(",", separator)
    roles = {"cell": "track", "frame": "frame"}
    tracks = read_track_table(
        written(tmp_path, text), columns=roles, separator=separator, frame_interval="2 h"
    )
    assert tracks.times.tolist() == [0, 2]
    assert tracks.frames.tolist() == [0, 1]


def test_rows_that_btrack_invented_are_never_data(tmp_path):
    tracks = read_btrack(written(tmp_path, BTRACK), frame_interval="5 min")
    assert tracks.cells.tolist() == ["1", "1", "2", "3"]
    assert tracks.times.tolist() == [0, 10, 15, 15]
    assert tracks.left_out == {"rows that the tracker invented": 1}
    assert tracks.divisions == {"1": ("2", "3")}
    assert [column.name for column in tracks.columns] == ["x", "y", "z", "GFP"]
    assert tracks.column("GFP").values.tolist() == [100.0, 101.0, 50.0, 51.0]


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_a_lineage_of_the_challenge_has_a_row_for_every_frame_of_a_label(tmp_path, blank):
    path = written(tmp_path, CHALLENGE.replace(" ", blank))
    tracks = read_cell_tracking_challenge(path, frame_interval="30 min")
    assert [(tracks.cells == label).sum() for label in "1234"] == [6, 4, 3, 3]
    assert tracks.times[tracks.cells == "2"].tolist() == [180, 210, 240, 270]
    assert tracks.parents == {"2": "1", "3": "1", "4": "2"}


def test_a_gap_in_a_track_is_no_division(tmp_path):
    tracks = read_cell_tracking_challenge(written(tmp_path, CHALLENGE), frame_interval="30 min")
    assert tracks.divisions == {"1": ("2", "3")}


TABLE_MISTAKES = {
    "no unit of time": (TABLE.replace(" [min]", ""), {}, "column 't' has no unit"),
    "a column that is not there": (TABLE, {"cell": "tracks"}, "no column 'tracks' for 'cell' .did you mean"),
    "a cell twice in a frame": (TABLE.replace("A1,5", "A1,0"), {}, "lines 2 and 3: cell 'A1' twice at 0"),
    "two parents": (TABLE + "B,10,3,C\n", {}, "line 6: cell 'B' has parent 'C', and 'A1' above"),
    "a cut row": (TABLE + "B,10\n", {}, "line 6 has 2 cells, line 1 has 4"),
    "a cut number": (TABLE + "B,10,12.", {}, "the last line has no end"),
    "one name twice": (TABLE.replace("mother", "track"), {}, "column 'track' stands there twice"),
}


@pytest.mark.parametrize("mistake", TABLE_MISTAKES)
def test_what_is_wrong_in_a_table_is_refused_with_line_and_column(tmp_path, mistake):
    text, changes, message = TABLE_MISTAKES[mistake]
    with pytest.raises(DataError, match=message):
        read_track_table(written(tmp_path, text), columns={**MAP, **changes})


def test_frames_alone_need_an_interval(tmp_path):
    path = written(tmp_path, "track,frame,y\n1,0,2\n")
    with pytest.raises(DataError, match="frames, but no frame_interval"):
        read_track_table(path, columns={"cell": "track", "frame": "frame"})


def test_a_map_without_cells_or_times_is_refused(tmp_path):
    with pytest.raises(DataError, match="allowed: 'cell', and 'time' or 'frame'"):
        read_track_table(written(tmp_path, TABLE), columns={"cell": "track"})


def test_a_dummy_is_true_or_false(tmp_path):
    path = written(tmp_path, BTRACK.replace("True", "maybe"))
    with pytest.raises(DataError, match="line 3, dummy: 'maybe'; allowed: True or False"):
        read_btrack(path, frame_interval="5 min")


CHALLENGE_MISTAKES = {
    "an end before the start": ("1 5 4 0\n", "line 1: a track that ends before it begins"),
    "a label twice": ("1 0 4 0\n1 5 6 0\n", "line 2: a label that stands above too"),
    "label zero": ("0 0 4 0\n", "line 1: a label outside 1 to 65535"),
    "an unknown parent": ("1 0 4 7\n", "the parent 7 of 1 is not there"),
    "a parent that lives on": ("1 0 4 0\n2 4 6 1\n", "line 2: the parent 1 of 2 lives on"),
    "a declared size": ("1 0 999999999999 0\n", "tracks of 1000000000000 frames in all; allowed: at most"),
    "a header": ("L B E P\n1 0 4 0\n", "line 1, column 'L': 'L'"),
    "three columns": ("1 0 4\n", "line 1 has 3 cells"),
}


@pytest.mark.parametrize("mistake", CHALLENGE_MISTAKES)
def test_what_is_wrong_in_a_lineage_is_refused_with_its_line(tmp_path, mistake):
    text, message = CHALLENGE_MISTAKES[mistake]
    with pytest.raises(DataError, match=message):
        read_cell_tracking_challenge(written(tmp_path, text), frame_interval="1 min")
