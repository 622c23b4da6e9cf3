"""What is wrong with the section ``[stream]`` is told with its key."""

import pytest
from nile import mscale

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.errors import InputError

MISTAKES = {
    "a misspelt key": (
        'source = "live.csv"',
        'sorce = "live.csv"',
        "stream.sorce: unknown key (did you mean 'source'?)",
    ),
    "an unknown form": ("live.csv", "live.txt", 'a file, with format = "jsonl" or "csv"'),
    "a wrong unit": ('"2 year"', '"2 km"', "stream: reorder_window: '2 km' has the dimension of"),
    "an unknown output": (
        "reorder",
        'snapshots = ["flows"]\nreorder',
        "snapshots: no output 'flows' (did you mean 'flow'?)",
    ),
    "an unknown column": (
        "reorder",
        'columns = { yaer = "t" }\nreorder',
        "columns: 'yaer' (did you mean 'year'?)",
    ),
    "a filter that looks back": (
        "[stream]",
        "smooth = true\n[stream]",
        "assimilate.smooth: a stream has no end",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_in_the_section_is_told_with_its_key(what, nile, tmp_path):
    old, new, said = MISTAKES[what]
    nile.write_text(nile.read_text().replace(old, new))
    done = mscale("assimilate", nile, "--out", tmp_path / "run")
    assert done.exit_code == 3
    assert said in done.output
    assert not (tmp_path / "run").exists()


# Those that need the readings to be seen: which columns there are, and a filter that could be built.
HIDDEN = {"an unknown column", "a filter that looks back"}


@pytest.mark.parametrize("what", sorted(MISTAKES.keys() - HIDDEN))
def test_a_mistake_in_the_section_waits_for_no_other(what, nile, tmp_path):
    old, new, said = MISTAKES[what]
    text = nile.read_text().replace(old, new)
    nile.write_text(text.replace('filter = "kalman"', 'filter = "kalmann"'))
    (tmp_path / "first.csv").write_text("year [year],flow\n1871\n")
    done = mscale("assimilate", nile, "--out", tmp_path / "run")
    assert done.exit_code == 3
    for words in (said, "'kalmann' (did you mean 'kalman'?)", "line 2 has 1 of 2 cells"):
        assert words in done.output


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "smooth = true",
            'learn = ["levle_sd"]',
            "learn: no unknown 'levle_sd' (did you mean 'level_sd'?)",
        ),
        ("smooth = true", "drift = { level_sd = 0.1 }", "assimilate.drift: 'level_sd'"),
        (
            ", level_sd = 3.833",
            ", level_ds = 3",
            "at.level_ds: no unknown 'level_ds' (did you mean",
        ),
        ("smooth = true", 'evaluate = ["flwo"]', "'flwo' (did you mean 'flow'?)"),
        ("smooth = true", 'limits = { flow = ["1 m", "2 m"] }', "limits of 'flow': '1 m' has the dimension"),
        ("smooth = true", 'experiment = "nil"', "assimilate.experiment: 'nil'"),
    ],
)
def test_mistakes_in_a_filters_section_do_not_wait_for_the_data(old, new, said, tmp_path):
    text = find_case("local_level").read_text().replace("local_level/nile.csv", "first.csv")
    assert old in text
    (tmp_path / "nile.toml").write_text(text.replace(old, new))
    (tmp_path / "first.csv").write_text("year [year],flow\n1871\n")
    with pytest.raises(InputError) as caught:
        read_case(tmp_path / "nile.toml")
    assert said in str(caught.value)
    assert "line 2 has 1 of 2 cells" in str(caught.value)


def test_a_source_for_a_case_without_a_stream_is_refused(tmp_path):
    done = mscale("assimilate", "local_level", "--source", "a.csv", "--out", tmp_path / "run")
    assert done.exit_code == 3
    assert "no section [stream]" in done.output


def test_a_folder_with_something_else_is_not_touched(nile, tmp_path):
    done = mscale("assimilate", nile, "--out", tmp_path)
    assert done.exit_code == 3
    assert "is not empty, and holds no run that follows a stream" in done.output
    assert not (tmp_path / "journal.sqlite").exists()
