"""What is written reads back as the same; what is no TOML is refused with its line."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscale_uq.errors import CaseError
from mscale_uq.io.toml import read_toml, write_toml

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
scalars = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | words
values = st.recursive(
    scalars, lambda inner: st.lists(scalars, max_size=3) | st.dictionaries(words, inner, max_size=3)
)
tables = st.dictionaries(
    words, values | st.lists(st.dictionaries(words, values, max_size=3), min_size=1, max_size=3), max_size=4
)


@settings(deadline=None)
@given(tables)
def test_what_is_written_reads_back_as_the_same(content):
    assert tomllib.loads(write_toml(content)) == content


def test_nothing_is_left_out_silently_except_none():
    assert tomllib.loads(write_toml({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = 1\nb = [\n", "case.toml: .*line 2|case.toml: .*end of document"),
        (b"a = 1\na = 2\n", "case.toml: .*line 2.*names are given once"),
        (b"name = heat\n", "case.toml: .*line 1.*text stands in quotes"),
        (b"a = '\xb5m'\n", "case.toml: byte 5 is not UTF-8"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_place(tmp_path, content, said):
    path = tmp_path / "case.toml"
    path.write_bytes(content)
    with pytest.raises(CaseError, match=said):
        read_toml(path, path.name)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CaseError, match=r"none.toml: cannot be read"):
        read_toml(tmp_path / "none.toml", "none.toml")
