"""A resolved case is the same case, and another one is told by the part that was changed."""

import pickle
from pathlib import Path

import pytest
from good_case import GOOD, written

from mscale_uq.case.read import read_case
from mscale_uq.catalog import cases, find_case

pytestmark = pytest.mark.usefixtures("toys")


def test_a_resolved_case_reads_back_as_the_same(tmp_path):
    case = read_case(written(tmp_path))
    (tmp_path / "again.toml").write_text(case.resolved_toml())
    again = read_case(tmp_path / "again.toml")
    assert again.resolved() == case.resolved()
    assert again.hash == case.hash
    theta = [0.1, -0.2, 1.01, 0.3]
    assert again.posterior().logpdf(theta) == case.posterior().logpdf(theta)


@pytest.mark.parametrize("name", cases())
def test_every_shipped_case_reads_and_resolves_to_itself(name, tmp_path):
    case = read_case(find_case(name))
    (tmp_path / "again.toml").write_text(case.resolved_toml())
    assert read_case(tmp_path / "again.toml").hash == case.hash
    assert case.question.endswith("?")


def test_everything_that_goes_to_a_worker_pickles(tmp_path):
    posterior = read_case(written(tmp_path)).posterior()
    again = pickle.loads(pickle.dumps(posterior))
    assert again.logpdf([0.1, -0.2, 1.01, 0.3]) == posterior.logpdf([0.1, -0.2, 1.01, 0.3])


CHANGES = {
    "seed": ("seed = 7", "seed = 8"),
    "data": None,
    "priors": ("factor = 3", "factor = 4"),
    "method": ("[expect]", "[method]\ntune = 17\n\n[expect]"),
    "experiments": ('duration = "20 s"', 'duration = "21 s"'),
}


@pytest.mark.parametrize("part", CHANGES)
def test_the_identity_says_which_part_of_a_case_was_changed(tmp_path, part):
    before = read_case(written(tmp_path))
    if CHANGES[part] is None:
        after = read_case(written(tmp_path, end="end [mm]\n20011\n"))
    else:
        after = read_case(written(tmp_path, GOOD.replace(*CHANGES[part])))
    assert {key for key in before.identity if before.identity[key] != after.identity[key]} == {part}
    assert before.hash != after.hash


def test_a_better_question_and_more_draws_are_the_same_calibration(tmp_path):
    before = read_case(written(tmp_path))
    text = GOOD.replace("How fast", "How quickly").replace(
        "[expect]", "[method]\ndraws = 5000\ncores = 1\n[expect]"
    )
    assert read_case(written(tmp_path, text)).hash == before.hash


def test_what_a_family_shares_is_part_of_the_system(tmp_path, monkeypatch):
    import mscale_uq.models as models

    family = tmp_path / "shared_line"
    family.mkdir()
    (family / "__init__.py").write_text("")
    (family / "_ruler.py").write_text("LENGTH = 1.0\n")
    text = (Path(__file__).parent / "systems/toys/line.py").read_text()
    text = text.replace("toys/line", "shared_line/line")
    (family / "line.py").write_text(f"from mscale_uq.models.shared_line._ruler import LENGTH\n{text}")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    case = read_case(written(tmp_path, GOOD.replace("toys/line", "shared_line/line")))
    before = case.identity
    (family / "_ruler.py").write_text("LENGTH = 2.0\n")
    assert {key for key in before if before[key] != case.identity[key]} == {"system"}
