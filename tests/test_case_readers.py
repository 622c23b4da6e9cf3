"""A case names files of other programs: which format they have, and which of their columns is what."""

import numpy as np
import pytest
from typer.testing import CliRunner

from mscale_uq.case.pooled import pooled_table
from mscale_uq.case.read import read_case
from mscale_uq.case.readers import read_with, stacked
from mscale_uq.case.schema import LawSpec, ReaderSpec
from mscale_uq.catalog import find_case, load_system
from mscale_uq.cli.commands import app
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.system import System
from mscale_uq.errors import CaseError, DataError

pytestmark = pytest.mark.usefixtures("toys")

CASE = """
system = "toys/line"
seed = 7

[[experiment]]
name = "movie"
data = "{file}"
{reader}
fixed = {{ weights = [1, 0], temperature = 300 }}

[law]
length = {{ law = "gaussian", sd = "2 cm" }}

[prior]
offset = {{ dist = "normal", mean = 0, sd = "50 cm" }}
speed = {{ dist = "lognormal", median = "60 m/min", factor = 3 }}
"""
SPOTS = """ID,TRACK_ID,POSITION_T,FRAME,RADIUS
ID,Track ID,T,Frame,R
,,(min),,(cm)
1,0,0.0,0,10.0
2,0,0.5,1,ø
3,1,0.5,1,3100.0
4,ø,0.5,1,9.0
"""
TRACKMATE = 'reader = { format = "trackmate", columns = { length = "RADIUS" } }'


def case(tmp_path, reader=TRACKMATE, file="spots.csv", content=SPOTS):
    (tmp_path / file).write_text(content)
    (tmp_path / "movie.toml").write_text(CASE.format(file=file, reader=reader))
    return tmp_path / "movie.toml"


def test_a_spots_table_arrives_in_the_units_of_the_system(tmp_path):
    (plan,) = read_case(case(tmp_path)).plans
    assert np.array_equal(plan.data.coordinates["time"], [0.0, 30.0, 30.0])
    assert np.allclose(plan.data.outputs["length"], [0.1, np.nan, 31.0], equal_nan=True)


def test_cells_can_be_chosen(tmp_path):
    reader = 'reader = { format = "trackmate", cells = ["1"], columns = { length = "RADIUS" } }'
    (plan,) = read_case(case(tmp_path, reader)).plans
    assert plan.data.outputs["length"].tolist() == [31.0]


def test_any_table_of_tracks_is_named_with_its_columns_and_units(tmp_path):
    reader = (
        'reader = { format = "csv", separator = ";", units = { length = "mm" }, frame_interval = "30 s", '
        'columns = { cell = "track", frame = "f", length = "size" } }'
    )
    content = "track;f;size\n1;0;100\n1;1;31000\n"
    (plan,) = read_case(case(tmp_path, reader, "t.csv", content)).plans
    assert np.allclose(plan.data.outputs["length"], [0.1, 31.0])
    assert np.array_equal(plan.data.coordinates["time"], [0.0, 30.0])


def test_a_daughter_is_refused_and_told_how_to_be_left_out(tmp_path):
    reader = (
        'reader = {{ format = "csv", {cells}units = {{ length = "mm", time = "s" }}, '
        'columns = {{ cell = "track", time = "t", parent = "mother", length = "size" }} }}'
    )
    content = "track,t,mother,size\n1,0,,100\n2,1,1,60\n3,1,1,50\n4,0,,90\n"
    refused = r"cell '2' comes from '1', and 1 more come from others.*reader.cells = \[..\]"
    with pytest.raises((CaseError, DataError), match=refused):
        read_case(case(tmp_path, reader.format(cells=""), "t.csv", content))
    (plan,) = read_case(case(tmp_path, reader.format(cells='cells = ["1", "4"], '), "t.csv", content)).plans
    assert np.allclose(plan.data.outputs["length"], [0.1, 0.09])


def test_the_resolved_case_reads_back_as_the_same(tmp_path):
    one = read_case(case(tmp_path))
    (tmp_path / "again.toml").write_text(one.resolved_toml())
    assert read_case(tmp_path / "again.toml").identity == one.identity


def test_another_choice_of_cells_is_another_run(tmp_path):
    one = read_case(case(tmp_path)).identity
    reader = 'reader = { format = "trackmate", cells = ["1"], columns = { length = "RADIUS" } }'
    other = read_case(case(tmp_path, reader)).identity
    assert {key for key in one if one[key] != other[key]} == {"experiments"}


def test_check_tells_what_was_read(tmp_path):
    told = CliRunner().invoke(app, ["check", str(case(tmp_path))])
    text = " ".join(told.output.split())
    assert "2 cells in 2 frames, 3 rows, from 0 to 0.5 min" in text
    assert "1 rows left out (spots in no track)" in text


MISTAKES = {
    "an unknown format": (
        TRACKMATE.replace("trackmate", "trakmate"),
        "experiment.movie.reader.format: 'trakmate' .did you mean 'trackmate'",
    ),
    "an unknown key": (
        TRACKMATE.replace("columns", 'frame_intervall = "1 s", columns'),
        "reader.frame_intervall: unknown key .did you mean 'frame_interval'",
    ),
    "a key of another format": (
        TRACKMATE.replace("columns", 'layer = "counts", columns'),
        "reader.layer says nothing to 'trackmate'",
    ),
    "no columns": ('reader = { format = "trackmate" }', "reader.columns: the key is missing"),
    "a key that is missing": (
        'reader = { format = "btrack", columns = { length = "x" } }',
        "reader.frame_interval is not there",
    ),
    "a wrong feature": (TRACKMATE.replace("RADIUS", "RADUS"), "no key 'RADUS' .*did you mean 'RADIUS'"),
    "a wrong output": (TRACKMATE.replace("length", "lenght"), "column 'lenght' is unknown"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_key(tmp_path, mistake):
    reader, message = MISTAKES[mistake]
    with pytest.raises((CaseError, DataError), match=message):
        read_case(case(tmp_path, reader))


def test_counts_of_cells_arrive_with_their_times(tmp_path):
    anndata = pytest.importorskip("anndata")
    pandas = pytest.importorskip("pandas")
    obs = pandas.DataFrame({"day": ["0", "1", "1"]}, index=["a", "b", "c"])
    data = anndata.AnnData(np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]), obs)
    data.var_names = ["Sox2", "Nanog"]
    data.write_h5ad(tmp_path / "cells.h5ad")
    reader = ReaderSpec(format="h5ad", columns={"length": "Nanog"}, time="day", time_unit="day")
    files = {"cells.h5ad": tmp_path / "cells.h5ad"}
    ((table, said),) = read_with(reader, files, load_system("toys/line"))
    assert [(column.name, column.unit) for column in table.columns] == [("time", "day"), ("length", "count")]
    assert table.columns[0].values.tolist() == [0.0, 1.0, 1.0]
    assert table.columns[1].values.tolist() == [5.0, 6.0, 7.0]
    assert said.startswith("3 cells at 0, 1 day, counts of 1 genes from X")


GONE = {
    "h5ad": ('["one.h5ad", "gone.h5ad"]', '"1"', "gone.h5ad"),
    "h5ad alone": ('"gone.h5ad"', '"1"', "gone.h5ad"),
    "ome-tiff": ('["gone.tif", "gone_labels.tif"]', '"TOTAL_INTENSITY"', "gone_labels.tif"),
    "ome-tiff without its labels": ('["one.h5ad", "gone.tif"]', '"TOTAL_INTENSITY"', "gone.tif"),
}


@pytest.mark.parametrize("kind", GONE)
def test_a_misspelt_name_among_files_that_are_read_together_is_one_mistake(tmp_path, kind):
    data, column, missing = GONE[kind]
    time = ', time_unit = "h"' if "h5ad" in kind else ""
    reader = f'reader = {{ format = "{kind.split()[0]}", columns = {{ length = {column} }}{time} }}'
    path = case(tmp_path, reader)
    path.write_text(path.read_text().replace('data = "spots.csv"', f"data = {data}"))
    (tmp_path / "one.h5ad").write_text("it is there")
    told = CliRunner().invoke(app, ["check", str(path)])
    assert told.exit_code == 3
    text = " ".join(told.output.split())
    assert f"movie.data: no file '{missing}'" in text
    assert text.count("allowed:") == data.count("gone")


def test_a_movie_and_its_labels_are_one_table(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    movie, labels = np.full((2, 4, 5), 7, np.uint16), np.zeros((2, 4, 5), np.uint16)
    labels[:, :2, :2], labels[1, 3, 3] = 1, 2
    about = {"axes": "TYX", "TimeIncrement": 5.0, "TimeIncrementUnit": "min"}
    tifffile.imwrite(tmp_path / "m.ome.tif", movie, photometric="minisblack", metadata=about)
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")
    reader = ReaderSpec(format="ome-tiff", columns={"length": "TOTAL_INTENSITY"})
    files = {name: tmp_path / name for name in ("m.ome.tif", "labels.tif")}
    ((table, said),) = read_with(reader, files, load_system("toys/line"))
    assert table.columns[0].values.tolist() == [0.0, 300.0, 300.0]
    assert table.columns[1].values.tolist() == [28.0, 28.0, 7.0]
    assert said.startswith("2 cells in 2 frames")
    for few in ({}, {"m.ome.tif": tmp_path / "m.ome.tif"}):
        with pytest.raises(CaseError, match="two files: the movie, and the labels"):
            read_with(reader, few, load_system("toys/line"))


def test_the_lineage_of_the_cell_tracking_challenge_says_who_divides_in_a_movie(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    movie, labels = np.full((3, 4, 5), 700, np.uint16), np.zeros((3, 4, 5), np.uint16)
    labels[0, :2, :2], labels[1:, 0, :2], labels[1:, 3, 3:] = 1, 2, 3
    about = {"axes": "TYX", "TimeIncrement": 5.0, "TimeIncrementUnit": "min"}
    tifffile.imwrite(tmp_path / "m.ome.tif", movie, photometric="minisblack", metadata=about)
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")
    (tmp_path / "man_track.txt").write_text("1 0 0 0\n2 1 2 1\n3 1 2 1\n")
    text = find_case("cell_state_fusion").read_text()
    reader = 'reader = { format = "ome-tiff", columns = { intensity = "MEAN_INTENSITY" } }'
    old = 'reader = { format = "trackmate", columns = { intensity = "MEAN_INTENSITY_CH1" } }'
    files = 'data = ["m.ome.tif", "labels.tif", "man_track.txt"]'
    assert old in text
    whole = text.replace(old, reader).replace('data = "cell_state_fusion/movie.csv"', files)
    (tmp_path / "case.toml").write_text(whole)
    movie_plan = read_case(tmp_path / "case.toml").plans[0]
    along = movie_plan.data.coordinates
    assert along["cell"].tolist() == [1, 2, 3, 2, 3]
    assert along["parent"].tolist() == [1, 1, 1, 1, 1]
    assert along["born"][1:] == pytest.approx([2.5] * 4)
    assert movie_plan.operators["intensity"].law.divides
    (tmp_path / "tracks.csv").write_text("1 0 0 0\n")
    (tmp_path / "case.toml").write_text(whole.replace("man_track.txt", "tracks.csv"))
    with pytest.raises(CaseError, match=r"a third, man_track\.txt"):
        read_case(tmp_path / "case.toml")


WELLS = System(
    name="toys/wells",
    parameters=(),
    outputs=(
        Quantity("seen", "1", "", ("time", "cell")),
        Quantity("counted", "1", "", ("time", "dish", "size_factor")),
    ),
    coordinates=tuple(
        Quantity(n, u) for n, u in zip(("time", "cell", "dish", "size_factor"), "s111", strict=True)
    ),
    smoothness="smooth",
    forward=lambda: None,
)


def test_a_system_along_cells_gets_their_numbers(tmp_path):
    (tmp_path / "spots.csv").write_text(SPOTS)
    reader = ReaderSpec(format="trackmate", columns={"seen": "RADIUS"})
    ((table, _),) = read_with(reader, {"spots.csv": tmp_path / "spots.csv"}, WELLS)
    assert {column.name: column.values.tolist() for column in table.columns}["cell"] == [0, 0, 1]


def written(folder, **files):
    """Write h5ad files of two cells each; name -> times of both, and their batches, if they have any."""
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    for name, (times, batches) in files.items():
        obs = pandas.DataFrame({"time": times}, index=["a", "b"])
        if batches is not None:
            obs["batch"] = batches
        anndata.AnnData(np.array([[1.0, 3.0], [2.0, 6.0]]), obs).write_h5ad(folder / f"{name}.h5ad")
    return {f"{name}.h5ad": folder / f"{name}.h5ad" for name in files}


COUNTED = ReaderSpec(format="h5ad", columns={"counted": "1"}, time_unit="h")


def column(tables, name):
    return [{column.name: column.values.tolist() for column in table.columns}[name] for table, _ in tables]


@pytest.mark.parametrize("batches", [("2", "10"), ("dish b", "dish a"), (None, None), ("0", "1"), ("1", "1")])
def test_dishes_in_files_of_their_own_are_one_table(tmp_path, batches):
    """The batches of two files say nothing of each other, also where their names are alike."""
    one, two = ([1.0, 1.0], batches[0]), ([1.0, 1.0], batches[1])
    (table,) = stacked([table for table, _ in read_with(COUNTED, written(tmp_path, one=one, two=two), WELLS)])
    found = {column.name: column.values.tolist() for column in table.columns}
    assert found["dish"] == [1, 1, 2, 2]
    assert found["counted"] == [3, 6, 3, 6]
    assert np.allclose(found["size_factor"], [2 / 3, 4 / 3] * 2)
    assert "cell" not in found


def test_a_batch_is_a_dish_of_its_own_at_each_time_whether_the_files_are_there_or_come(tmp_path):
    files = written(
        tmp_path, b=([6.0, 1.0], "A"), a=([1.0, 1.0], ["A", "B"]), c=([1.0, 6.0], None), d=([2.0, 2.0], None)
    )
    numbers = column(read_with(COUNTED, files, WELLS), "dish")
    assert numbers == [[1, 2], [3, 4], [5, 6], [7, 7]]  # in the order in which they come
    come = [read_with(COUNTED, {name: path}, WELLS, growing=True) for name, path in files.items()]
    apart = np.concatenate([column(tables, "dish")[0] for tables in come])
    assert apart[-1] == apart[-2]
    assert len(set(apart.tolist())) == 7


def test_a_dish_of_a_file_that_comes_is_called_what_the_file_calls_it(tmp_path):
    """Its number follows from its name, and says nothing to anybody."""
    files = written(tmp_path, one=([1.0, 1.0], ["left", "right"]))
    ((table, _),) = read_with(COUNTED, files, WELLS, growing=True)
    with pytest.raises(DataError, match=r"^one\.h5ad: counted at dish (left|right): 1 cells; allowed"):
        pooled_table(table, {"counted": LawSpec(law="pseudobulk")})
