"""The shipped live case on its page: a panel for each tracked cell and one for dishes, with what they did."""

import numpy as np
import pytest
from lab import DISH, believed, came, follow, lab, movie
from live_runs import BLUE, PURPLE, address, pixels, served, wait_for

from mscale_uq.io.h5ad import read_h5ad
from mscale_uq.stream.view import View


@pytest.fixture(scope="module")
def dished(tmp_path_factory):
    """Return the folder of a lab whose dish has come, and that of its run."""
    folder = tmp_path_factory.mktemp("lab")
    case = lab(folder)
    (folder / "lab" / "movie.csv").write_text("".join(movie()))
    came(DISH, folder / "lab")
    follow(case, folder / "run")
    return folder / "run"


def test_a_dish_is_told_as_the_mean_of_its_cells_and_what_was_expected_of_it(dished):
    (row,) = [row for row in believed(dished)[1] if row["time"] == 60.0]
    counts = read_h5ad(DISH, genes=["reporter"], time_unit="h").of("reporter")
    pooled = row["pooled"]["sequencer"]
    of_dish = np.array(row["source"]) == "sequencer"
    assert pooled["r"] == pytest.approx(counts.mean())
    assert pooled["i"] == pytest.approx(np.array(row["innovation"])[of_dish].mean())
    # The cells' own chance averages out, what is not known of the population does not.
    alone = np.array(row["innovation_sd"])[of_dish]
    assert np.sqrt((alone**2).sum()) / alone.size < pooled["j"] < alone.mean()
    assert abs(pooled["r"] - pooled["m"]) < 3 * np.sqrt(pooled["s"] ** 2 + counts.var() / counts.size)


@pytest.mark.slow
def test_a_lab_is_watched_and_a_dish_that_comes_later_is_marked_where_it_was_taken(page, tmp_path):
    case, out = lab(tmp_path), tmp_path / "run"
    (tmp_path / "lab" / "movie.csv").write_text("".join(movie()))
    follow(case, out)
    with served(out) as port:
        page.goto(address(port))
        wait_for(page, "mscale.times.length === 16 && mscale.records !== null")
        titles = page.locator("figcaption").all_inner_texts()
        kinds = [sum(word in title for title in titles) for word in ("intensity", "umi", "transcription")]
        assert kinds == [4, 1, 1]
        dish = next(number for number, title in enumerate(titles) if "umi" in title)
        assert pixels(page, dish, PURPLE) == pixels(page, 0, PURPLE) == 0
        came(DISH, tmp_path / "lab")
        follow(case, out)
        wait_for(page, "mscale.rows.get(60).x === true && mscale.rows.get(70).v === 1")
        page.wait_for_timeout(300)
        assert pixels(page, 0, PURPLE) > 30  # its mark, on what is learned
        assert pixels(page, dish, BLUE) > 3
        with View(out) as view:
            (row,) = [change.row for change in view.steps() if change.row["time"] == 60.0]
        before, after = (np.array(row[key]["transcription_rate"]) for key in ("learned_before", "learned"))
        shrunk = page.evaluate("mscale.rows.get(60).p['0'].q")
        assert shrunk == pytest.approx((after[2] - after[0]) / (before[2] - before[0]))
        assert shrunk < 0.95
