"""TrackMate's own file says who divides, and which tracks are kept."""

import os

import numpy as np
import pytest

from mscale_uq.case.awaited import Awaited
from mscale_uq.case.schema import ReaderSpec
from mscale_uq.catalog import load_system
from mscale_uq.errors import DataError
from mscale_uq.io.trackmate_xml import read_trackmate_xml

# Track 0 divides at frame 1; track 1 runs along; track 2 was filtered out; spot 30 is in no track.
SPOTS = {
    1: (0, 10.0),
    2: (1, 11.0),
    3: (2, 5.0),
    4: (2, 6.0),
    5: (3, 5.5),
    11: (0, 20.0),
    12: (2, 21.0),
    21: (0, 1.0),
    22: (1, 1.0),
    30: (0, 9.0),
}
EDGES = {0: [(1, 2), (2, 3), (2, 4), (5, 3)], 1: [(11, 12)], 2: [(21, 22)]}


def text(edges=EDGES, kept=(0, 1), time_unit="min"):
    frames = sorted({frame for frame, _ in SPOTS.values()})
    spots = "".join(
        f'<SpotsInFrame frame="{now}">'
        + "".join(
            f'<Spot ID="{spot}" name="ID{spot}" QUALITY="3.5" POSITION_X="1.5" POSITION_T="{5.0 * frame}" '
            f'FRAME="{frame}" RADIUS="5.0" VISIBILITY="1" MEAN_INTENSITY_CH1="{mean}" />'
            for spot, (frame, mean) in SPOTS.items()
            if frame == now
        )
        + "</SpotsInFrame>"
        for now in frames
    )
    tracks = "".join(
        f'<Track name="Track_{track}" TRACK_ID="{track}" NUMBER_SPOTS="9">'
        + "".join(
            f'<Edge SPOT_SOURCE_ID="{a}" SPOT_TARGET_ID="{b}" LINK_COST="0.1" />' for a, b in edges[track]
        )
        + "</Track>"
        for track in edges
    )
    filtered = "".join(f'<TrackID TRACK_ID="{track}" />' for track in kept)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<TrackMate version="7.7.2"><Log>done</Log>'
        f'<Model spatialunits="micron" timeunits="{time_unit}"><FeatureDeclarations><SpotFeatures>'
        '<Feature feature="POSITION_X" name="X" shortname="X" dimension="POSITION" isint="false" />'
        '<Feature feature="MEAN_INTENSITY_CH1" name="Mean" dimension="INTENSITY" isint="false" />'
        f'</SpotFeatures></FeatureDeclarations><AllSpots nspots="{len(SPOTS)}">{spots}</AllSpots>'
        f"<AllTracks>{tracks}</AllTracks><FilteredTracks>{filtered}</FilteredTracks></Model>"
        '<Settings><ImageData timeinterval="5.0" nframes="4" /></Settings></TrackMate>\n'
    )


def written(tmp_path, content):
    path = tmp_path / "tracks.xml"
    path.write_text(content)
    return path


def test_every_branch_of_a_track_is_a_cell_with_its_parent(tmp_path):
    tracks = read_trackmate_xml(written(tmp_path, text()), columns={"y": "MEAN_INTENSITY_CH1"})
    values = tracks.column("y")
    assert values.unit == "counts"
    found = {cell: values.values[tracks.cells == cell].tolist() for cell in dict.fromkeys(tracks.cells)}
    assert found == {"0": [10.0, 11.0], "1": [20.0, 21.0], "0.2": [5.0, 5.5], "0.3": [6.0]}
    assert tracks.divisions == {"0": ("0.2", "0.3")}
    assert tracks.times[tracks.cells == "1"].tolist() == [0.0, 10.0]
    assert tracks.time_unit == "min"


def test_an_edge_may_point_backwards_in_time(tmp_path):
    tracks = read_trackmate_xml(written(tmp_path, text()))
    assert tracks.frames[tracks.cells == "0.2"].tolist() == [2, 3]


def test_only_kept_tracks_are_data(tmp_path):
    tracks = read_trackmate_xml(written(tmp_path, text()))
    assert "2" not in tracks.cells
    assert tracks.left_out == {"spots in no track that is kept": 3}


def test_features_have_the_units_of_the_model(tmp_path):
    tracks = read_trackmate_xml(written(tmp_path, text()))
    assert tracks.column("POSITION_X").unit == "micron"
    assert {column.name for column in tracks.columns} >= {"QUALITY", "RADIUS", "MEAN_INTENSITY_CH1"}


def test_a_movie_without_time_scale_gets_its_times_from_the_frames(tmp_path):
    path = written(tmp_path, text(time_unit="frame"))
    with pytest.raises(DataError, match="timeunits = 'frame'"):
        read_trackmate_xml(path)
    tracks = read_trackmate_xml(path, frame_interval="2 h")
    assert np.unique(tracks.times).tolist() == [0, 2, 4, 6]


MISTAKES = {
    "cut": (text()[:900], "no XML"),
    "another root": ("<Tracks></Tracks>", "<Tracks> without a model; allowed: <TrackMate>"),
    "empty": ("", "no XML"),
    "no kept track": (text(kept=()), "0 tracks are kept, without an edge"),
    "a merge": (text({**EDGES, 0: [(1, 2), (11, 2)]}), "two cells of track 0 become one in spot 2"),
    "an unknown spot": (text({**EDGES, 1: [(11, 99)]}), "no spot '99' of an edge"),
    "entities": (text().replace("<TrackMate", "<!DOCTYPE a [<!ENTITY b 'c'>]><TrackMate", 1), "entities"),
    "half a frame": (text().replace('FRAME="3"', 'FRAME="3.5"'), "spot '5': FRAME = '3.5'"),
    "no number": (text().replace('="5.5"', '="high"'), "spot '5': MEAN_INTENSITY_CH1 = 'high'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_is_refused_with_its_place(tmp_path, mistake):
    content, message = MISTAKES[mistake]
    with pytest.raises(DataError, match=message):
        read_trackmate_xml(written(tmp_path, content))


def test_a_file_that_is_saved_again_and_again_is_followed_when_it_is_whole(tmp_path, monkeypatch):
    columns = {"intensity": "MEAN_INTENSITY_CH1"}
    reader = ReaderSpec(format="trackmate xml", columns=columns, cells=["1"])
    path, whole = tmp_path / "tracks.xml", text()
    source = Awaited("movie", (path,), reader, load_system("cells/cell_state_fusion")).source()
    path.write_text(whole[: len(whole) // 2])
    assert source.read(0) == []
    assert source.pending
    monkeypatch.setitem(SPOTS, 13, (3, 22.0))
    later = {**EDGES, 1: [(11, 12), (12, 13)]}
    for seconds, content, told in ((0, whole, [20.0, 21.0]), (1, text(later), [22.0])):
        path.write_text(content)
        os.utime(path, (seconds, seconds))
        assert [one.message.value.item() for one in source.read(0)] == told
        assert not source.pending


def test_a_cell_that_divides_keeps_its_name_and_its_daughters_are_told_with_their_birth(
    tmp_path, monkeypatch
):
    """While its file is saved again the tracker has not seen the division yet."""
    reader = ReaderSpec(
        format="trackmate xml", columns={"intensity": "MEAN_INTENSITY_CH1"}, cells=["0", "0.2", "0.3"]
    )
    path, told = tmp_path / "tracks.xml", []
    source = Awaited("movie", (path,), reader, load_system("cells/cell_state_fusion")).source()
    for seconds, edges in enumerate(([(1, 2)], EDGES[0])):
        path.write_text(text({0: edges}, kept=(0,)))  # spots without an edge are in no track
        os.utime(path, (seconds, seconds))
        told += [one.message for one in source.read(0)]
    assert [(one.time, one.value.item()) for one in told if one.coordinates["cell"] == 0.0] == [
        ("0.0 min", 10.0),
        ("5.0 min", 11.0),
    ]
    born = {
        "parent": 0.0,
        "born": "7.5 min",
    }  # the mother's last frame is at 5, the daughters' first at 10 min
    daughters = [one for one in told if one.coordinates["cell"] != 0.0]
    assert [one.coordinates for one in daughters] == [{"cell": cell, **born} for cell in (0.2, 0.3, 0.2)]
    assert len(told) == 5
