"""``mscale sbc``: from a case to ranks, a page and a status; the checks themselves are in tests/diagnose."""

import re

import numpy as np
import pytest
from known_line import CASE, write_case
from typer.testing import CliRunner

from mscale_uq.cli.commands import app
from mscale_uq.diagnose import sbc
from mscale_uq.diagnose.rank_log import RankRow

pytestmark = pytest.mark.usefixtures("toys")
SHORT = ["--sampler", "pcn", "--draws", "19", "--kept", "19", "--tune", "5", "--cores", "0"]


def mscale_sbc(case, out, *options):
    arguments = ["sbc", case, "--out", out, *SHORT, *options]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def calibrated(toys, tmp_path_factory):
    """Return the case, the folder of six runs, and what was printed."""
    folder = tmp_path_factory.mktemp("sbc")
    case = write_case(folder)
    return case, folder / "six", mscale_sbc(case, folder / "six", "--runs", 6)


def test_every_rank_is_in_the_table(calibrated):
    _, folder, done = calibrated
    # Twenty neighbouring draws of a random walk: it is for the ranks to say whether they will do.
    assert done.exit_code == (4 if "NOT calibrated" in done.output else 0)
    first, *rows = (folder / "ranks.csv").read_text().splitlines()
    assert first == "run,offset,speed,log-likelihood,misfit by moments"
    ranks = np.array([row.split(",") for row in rows], dtype=int)
    assert np.array_equal(ranks[:, 0], np.arange(6))
    assert ranks.min() >= 0
    assert ranks[:, 1:].max() <= 19


def test_the_page_stands_alone_and_opens_with_the_verdict(calibrated):
    _, folder, done = calibrated
    page = (folder / "calibration.html").read_text()
    assert not re.search(r"@import|<script|<link|url\((?!#)|(src|href)=\"(?!#)", page)
    text = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert text.index("How fast does the line grow") < text.index("6 simulated data sets, 19 draws each")
    assert "6 simulated data sets, 19 draws each" in done.output
    assert page.count("<svg") == 4


def test_few_runs_are_said_to_see_little(calibrated):
    assert "see gross mistakes only" in calibrated[2].output


def test_more_runs_extend_a_calibration_and_change_no_rank(calibrated, tmp_path):
    case, folder, _ = calibrated
    mscale_sbc(case, tmp_path / "run", "--runs", 2)
    mscale_sbc(case, tmp_path / "run", "--runs", 6)
    for name in ("ranks.csv", "ranks.log", "calibration.html"):
        assert (tmp_path / "run" / name).read_bytes().replace(b"../run_again", b"../six_again") == (
            folder / name
        ).read_bytes()


CHANGES = {
    "seed": (CASE, ["--seed", "8"]),
    "method": (CASE, ["--tune", "6"]),
    "priors": (CASE.replace("sd = 10 ", "sd = 11 "), []),
    "draws": (CASE, ["--draws", "38"]),
    "data": (CASE, []),
}


@pytest.mark.parametrize("part", CHANGES)
def test_ranks_of_another_case_are_refused_and_nothing_is_touched(calibrated, tmp_path, part):
    _, folder, _ = calibrated
    text, options = CHANGES[part]
    case = write_case(tmp_path, text)
    if part == "data":
        (tmp_path / "fast.csv").write_text("time [s],length [m]\n1,2.8\n2,4.95\n")
    before = contents(folder)
    done = mscale_sbc(case, folder, "--runs", 6, *options)
    assert done.exit_code == 3
    assert part in done.output
    assert contents(folder) == before


def test_a_sampler_that_compiles_for_every_data_set_is_refused_before_a_folder_is_made(tmp_path):
    done = mscale_sbc(write_case(tmp_path), tmp_path / "run", "--sampler", "smc")
    assert done.exit_code == 3
    assert "sampler 'smc' for many data sets; allowed: nuts, slice" in done.output
    assert not (tmp_path / "run").exists()


def test_ranks_that_are_not_uniform_end_with_status_4_and_are_named(tmp_path, monkeypatch):
    """The truth always above the draws of the speed: a sampler that is biased low."""
    rng = np.random.default_rng(2)

    def biased(study, index):
        right, high = rng.integers(0, 20, 3), rng.integers(8, 20)
        return RankRow(index, (int(right[0]), int(high), *map(int, right[1:])), (0.0,) * 4, 0, 0)

    monkeypatch.setattr(sbc, "one_run", biased)
    done = mscale_sbc(write_case(tmp_path), tmp_path / "run", "--runs", 100)
    assert done.exit_code == 4
    assert "NOT calibrated. speed: the truth lies above the draws too often" in done.output
    page = (tmp_path / "run" / "calibration.html").read_text()
    assert '<span class="badge bad">Not calibrated</span>' in page
