"""Tables that are whole are read; each way of not being whole has its own message, with line and column."""

import numpy as np
import pytest

from mscale_uq.errors import DataError
from mscale_uq.io.table import read_table


def written(tmp_path, content):
    path = tmp_path / "profile.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_table_gives_names_units_values_and_lines(tmp_path):
    text = '# made by hand\nx [mm],"T [degC]",n\n1, 20.5,\n# a comment, "with a quote\n2.,nan,-3e2\n'
    table = read_table(written(tmp_path, text))
    assert [(column.name, column.unit) for column in table.columns] == [
        ("x", "mm"),
        ("T", "degC"),
        ("n", None),
    ]
    assert np.array_equal(table.columns[0].values, [1.0, 2.0])
    assert np.array_equal(table.columns[1].values, [20.5, np.nan], equal_nan=True)
    assert np.array_equal(table.columns[2].values, [np.nan, -300.0], equal_nan=True)
    assert table.lines == (3, 5)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_the_end_of_the_file_may_have_any_form_if_its_row_is_complete(tmp_path, ending):
    table = read_table(written(tmp_path, "x,y\r\n1,2\r\n3,4" + ending))
    assert np.array_equal(table.columns[1].values, [2.0, 4.0])


def test_empty_rows_of_a_spreadsheet_at_the_end_are_none_and_an_empty_last_cell_is_a_missing_value(tmp_path):
    table = read_table(written(tmp_path, "x [m],y [m]\n1,2\n3,\n,\n,\n\n"))
    assert table.lines == (2, 3)
    assert np.isnan(table.columns[1].values[1])


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert read_table(written(tmp_path, b"\xef\xbb\xbfx\n1\n")).columns[0].name == "x"


MISTAKES = {
    "a cut last row": (
        "x,y,z\n1,2,3\n4,5",
        "profile.csv: line 3 has 2 of 3 cells.*z is not there: is the file whole",
    ),
    "a cut row inside": ("x,y\n1\n3,4\n", "line 2 has 1 of 2 cells"),
    "an extra column": ("x,y\n1,2\n3,4,5\n", "line 3 has 3 cells for 2 columns"),
    "decimal commas": ("x,y\n1,5,2,5\n", "line 2 has 4 cells for 2 columns.*write 1.5, not 1,5"),
    "semicolons": ("x;y\n1;2\n", "line 1, column 1: 'x;y' is no column name.*separated by semicolons"),
    "tabs": ("x\ty\n1\t2\n", "separated by tabs"),
    "text for a number": ("x,y\n1,2\n3,warm\n", "line 3, column 'y': 'warm'; allowed: a number"),
    "a unit in a cell": ("x,y\n1,2 mm\n", "line 2, column 'y': '2 mm'.*units belong into the header"),
    "infinity": ("x\ninf\n", "line 2, column 'x': 'inf'; allowed: a number"),
    "overflow": ("x\n1e400\n", "line 2, column 'x': '1e400' is larger than any number here"),
    "an underscore in a number": ("x\n1_000\n", "'1_000'; allowed: a number"),
    "a torn number": ("x\n1\n2.5e-", "line 3, column 'x': '2.5e-'"),
    "one name twice": ("x,y,x\n1,2,3\n", "line 1: column 'x' stands there twice"),
    "no header": ("1,2\n3,4\n", "column 1: '1' is no column name.*the first line is the header"),
    "a name with a space": (
        "my x\n1\n",
        "'my x' is no column name; allowed: 'name .unit.', or 'name'",
    ),
    "an empty file": ("", "the file is empty; allowed: a header and at least one row"),
    "comments alone": ("# nothing\n", "the file is empty"),
    "a header alone": ("x,y\n", "a header and no rows"),
    "an empty line inside": ("x\n1\n\n3\n", "line 3 is empty.*an empty cell between two commas"),
    "an open quote": ('x,y\n1,"2\n', "line 2: .*allowed: cells separated by commas"),
    "not UTF-8": (b"x [\xb5m]\n1\n", "byte 3 is not UTF-8.*hint: save the file as CSV .UTF-8."),
    "UTF-16": ("x\n1\n".encode("utf-16"), "byte 0 is not UTF-8"),
    "zero bytes": (b"x\n1\n\0\0\0", "holds zero bytes"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_file_that_is_not_whole_is_refused(tmp_path, mistake):
    content, said = MISTAKES[mistake]
    with pytest.raises(DataError, match=said) as caught:
        read_table(written(tmp_path, content))
    assert "profile.csv" in str(caught.value)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path)


@pytest.mark.parametrize("cut", range(1, 24))
def test_no_cut_of_a_file_passes_unless_it_ends_in_a_whole_row(tmp_path, cut):
    """A number cut in the middle is still a number: only the cells of a row can be counted."""
    text = "x [mm],T\n1,20.5\n2,30.25\n"
    part = text[:-cut]
    try:
        table = read_table(written(tmp_path, part))
    except DataError:
        assert part.rstrip("\n").count("\n") < 1 or part.splitlines()[-1].count(",") == 0
    else:
        assert all(line.count(",") == 1 for line in part.splitlines())
        assert len(table.lines) == len(part.splitlines()) - 1
