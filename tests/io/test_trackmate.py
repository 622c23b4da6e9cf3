"""The spots table of TrackMate: what its exporter writes is read as it is meant, and nothing else is."""

import numpy as np
import pytest

from mscale_uq.errors import DataError
from mscale_uq.io.trackmate import read_trackmate

# As TrackMate 7 exports: keys, names, short names, units; a letter for what is missing.
KEYS = (
    "ID,LABEL,TRACK_ID,TRACK_NAME,TRACK_VISIBLE,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,"
    "RADIUS,VISIBILITY,MANUAL_SPOT_COLOR,MEAN_INTENSITY_CH1,TOTAL_INTENSITY_CH1"
)
NAMES = (
    "ID,Label,Track ID,Track name,Track visibility,Quality,X,Y,Z,T,Frame,Radius,Visibility,"
    "Manual spot color,Mean intensity ch1,Sum intensity ch1"
)
SHORT = "ID,Label,Track ID,Track name,Track visibility,Quality,X,Y,Z,T,Frame,R,Visibility,Spot color,Mean,Sum"
UNITS = ",,,,,(quality),(micron),(micron),(micron),(min),,(micron),,,(counts),(counts)"
SPOTS = (
    "10,ID10,0,Track_0,1,3.5,1.5,2.5,0.0,0.0,0,5.0,1,ø,135.5,13176.0",
    "11,ID11,0,Track_0,1,3.5,1.6,2.5,0.0,5.0,1,5.0,1,,ø,1.2E4",
    "12,ID12,1,Track_1,1,3.5,9.0,2.5,0.0,5.0,1,5.0,1,r=1;g=2;b=3,140.0,NaN",
    "13,ID13,2,Track_2,0,3.5,9.0,2.5,0.0,5.0,1,5.0,1,ø,150.0,1.0",
    "14,ID14,ø,ø,0,3.5,9.0,2.5,0.0,5.0,1,5.0,1,ø,150.0,1.0",
)


def written(tmp_path, *lines, name="spots.csv", end="\n", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(("\n".join(lines) + end).encode(encoding))
    return path


@pytest.mark.parametrize("header", [(KEYS, NAMES, SHORT), (KEYS, NAMES), (KEYS,)])
def test_a_spots_table_has_two_to_four_lines_of_header(tmp_path, header):
    tracks = read_trackmate(written(tmp_path, *header, UNITS, *SPOTS))
    assert tracks.cells.tolist() == ["0", "0", "1"]
    assert tracks.times.tolist() == [0.0, 5.0, 5.0]
    assert tracks.time_unit == "min"
    assert tracks.frames.tolist() == [0, 1, 1]
    assert tracks.lines.tolist() == [len(header) + 2, len(header) + 3, len(header) + 4]
    mean = tracks.column("MEAN_INTENSITY_CH1")
    assert mean.unit == "counts"
    assert np.array_equal(mean.values, [135.5, np.nan, 140.0], equal_nan=True)
    total = tracks.column("TOTAL_INTENSITY_CH1").values
    assert np.array_equal(total, [13176.0, 12000.0, np.nan], equal_nan=True)


def test_spots_in_no_track_and_filtered_tracks_are_no_data_and_are_counted(tmp_path):
    tracks = read_trackmate(written(tmp_path, KEYS, NAMES, SHORT, UNITS, *SPOTS))
    assert tracks.left_out == {"spots in no track": 1, "tracks filtered out": 1}
    assert "1 rows left out (spots in no track)" in tracks.summary()


def test_chosen_features_bear_the_names_of_the_model(tmp_path):
    path = written(tmp_path, KEYS, NAMES, SHORT, UNITS, *SPOTS)
    tracks = read_trackmate(path, columns={"intensity": "MEAN_INTENSITY_CH1"})
    assert [column.name for column in tracks.columns] == ["intensity"]


def test_a_table_of_an_older_windows_machine_is_read(tmp_path):
    lines = (KEYS, NAMES, SHORT, UNITS.replace("micron", "µm"), *SPOTS)
    tracks = read_trackmate(written(tmp_path, *lines, encoding="latin-1"))
    assert tracks.column("POSITION_X").unit == "µm"
    assert np.isnan(tracks.column("MEAN_INTENSITY_CH1").values[1])


def test_a_movie_without_time_scale_gets_its_times_from_the_frames(tmp_path):
    lines = [line.replace("(min)", "(frame)") for line in (KEYS, NAMES, SHORT, UNITS)]
    path = written(tmp_path, *lines, *SPOTS)
    with pytest.raises(DataError, match=r"POSITION_T is in frame; .*give frame_interval"):
        read_trackmate(path)
    tracks = read_trackmate(path, frame_interval="5 min")
    assert tracks.times.tolist() == [0.0, 5.0, 5.0]


def test_times_are_given_in_any_unit_of_time(tmp_path):
    tracks = read_trackmate(written(tmp_path, KEYS, NAMES, SHORT, UNITS, *SPOTS))
    assert np.allclose(tracks.times_in("h"), [0.0, 1 / 12, 1 / 12], rtol=1e-15)


HEADER = (KEYS, NAMES, SHORT, UNITS)
TWIN = SPOTS[0].replace("10,ID10", "20,ID20")
MISTAKES = {
    "a cut row": ((*HEADER, SPOTS[0], SPOTS[1][:30]), "line 6 has 8 cells, line 1 has 16"),
    "one line of header": ((KEYS, *SPOTS), "lines 2 to 4 hold no line of units"),
    "no units": ((KEYS, NAMES, SHORT, *SPOTS), "lines 2 to 4 hold no line of units"),
    "no spots": (HEADER, "no row of a tracked cell; allowed: at least one"),
    "no tracked spots": ((*HEADER, SPOTS[4]), "no row of a tracked cell.*1 rows left out: spots in no track"),
    "a table of edges": (
        [line.replace("POSITION_T", "EDGE_TIME") for line in (*HEADER, *SPOTS)],
        "line 1 has no key 'POSITION_T'.*table of spots",
    ),
    "text for a number": ((*HEADER, SPOTS[0].replace("135.5", "high")), "line 5, column 'MEAN_INT.*'high'"),
    "half a frame": ((*HEADER, SPOTS[0].replace(",0.0,0,", ",0.0,0.5,")), "line 5, column 'FRAME': '0.5'"),
    "a missing time": ((*HEADER, SPOTS[0].replace(",0.0,0,", ",ø,0,")), "line 5 has no time"),
    "a division under one number": (
        (*HEADER, SPOTS[0], TWIN),
        "lines 5 and 6: cell '0' twice at 0;.*read the XML file",
    ),
    "one frame at two times": ((*HEADER, SPOTS[1], SPOTS[2].replace(",5.0,1,", ",6.0,1,")), "lines 5 and 6"),
    "a unit that is none of time": (
        [line.replace("(min)", "(micron)") for line in (*HEADER, *SPOTS)],
        "unit of time 'micron'; allowed: such as 's'",
    ),
    "one key twice": (
        [line.replace("POSITION_Z", "POSITION_X") for line in (*HEADER, *SPOTS)],
        "line 1: key 'POSITION_X' stands there twice",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_is_refused_with_line_and_key(tmp_path, mistake):
    lines, message = MISTAKES[mistake]
    with pytest.raises(DataError, match=message):
        read_trackmate(written(tmp_path, *lines))


def test_a_last_line_without_an_end_was_cut(tmp_path):
    path = written(tmp_path, *HEADER, *SPOTS, end="")
    with pytest.raises(DataError, match="the last line has no end"):
        read_trackmate(path)


def test_a_key_that_is_not_there_is_named_with_the_nearest(tmp_path):
    path = written(tmp_path, *HEADER, *SPOTS)
    with pytest.raises(DataError, match=r"'MEAN_INTENSITY' for 'y' .did you mean 'MEAN_INTENSITY_CH1'"):
        read_trackmate(path, columns={"y": "MEAN_INTENSITY"})


@pytest.mark.parametrize("given", ["5", "5 um", "0 min", "-1 s", "soon"])
def test_an_interval_is_a_positive_time_with_its_unit(tmp_path, given):
    with pytest.raises(DataError, match="frame_interval"):
        read_trackmate(written(tmp_path, *HEADER, *SPOTS), frame_interval=given)


def test_a_file_larger_than_allowed_is_refused_unread(tmp_path):
    with pytest.raises(DataError, match="allowed: at most 100 bytes; hint: raise most_bytes"):
        read_trackmate(written(tmp_path, *HEADER, *SPOTS), most_bytes=100)
