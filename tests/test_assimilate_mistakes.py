"""What is wrong with the section ``[assimilate]`` is told with its key."""

import pytest
from shipped import changed, mscale

from mscale_uq.case.read import read_case
from mscale_uq.errors import CaseError
from mscale_uq.run.assimilate import assimilate

MISTAKES = {
    "filter": ("local_level", ('"kalman"', '"kalmann"'), r"filter = 'kalmann' \(did you mean 'kalman'\?\)"),
    "key": (
        "local_level",
        ("smooth = true", "smoth = true"),
        r"assimilate.smoth: unknown key \(did you mean 'smooth'",
    ),
    "type": (
        "local_level",
        ("smooth = true", 'smooth = "yes"'),
        "assimilate.smooth: 'yes'; allowed: true or false",
    ),
    "setting": ("local_level", ("smooth = true", "members = 20"), "members: 'kalman' has no such setting"),
    "no number": ("local_level", (", level_sd = 3.833", ""), "no number for 'level_sd'.*learn = "),
    "wrong unit": ("local_level", ('"12.288 km^3"', '"12 km"'), "assimilate.at.reading_sd: .*km"),
    "noise": ("local_level", ("smooth = true", 'learn = ["reading_sd"]'), "'reading_sd' is a noise level"),
    "noise by channel": (
        "heat_conduction_warming",
        (
            'sd = "0.2 K" }\n\n[prior]',
            'sd = "noise", per = ["x", "y"] }\n\n[prior]\nnoise = { dist = "halfnormal", sd = "1 K" }',
        ),
        r"assimilate: 'noise' is a noise level for each x, y \(per\), which a filter does not take",
    ),
    "both": (
        "local_level",
        ("smooth = true", 'learn = ["level_sd"]'),
        "assimilate.at.level_sd: 'level_sd' is learned",
    ),
    "unknown": (
        "lorenz96",
        ('learn = ["forcing"]', 'learn = ["forcin"]'),
        r"no unknown 'forcin' \(did you mean 'forcing'",
    ),
    "drift": (
        "lorenz96",
        ('learn = ["forcing"]', 'learn = ["forcing"]\ndrift = { force = 1 }'),
        "'force' is not learned",
    ),
    "letkf": ("lorenz96", ('"etkf"', '"letkf"'), "letkf without localisation_half_width"),
    "looks back": ("lorenz96", ('"etkf"', '"particle"\nsmooth = true'), "'particle' does not look back"),
    "lag": ("lorenz96", ('"etkf"', '"etkf"\nlag = 3'), "lag: nothing looks back"),
    "alphas": ("lorenz96", ('"etkf"', '"etkf"\nalphas = [4, 4]'), "alphas: 'etkf' has no such setting"),
    "limits": (
        "local_level",
        ("smooth = true", "limits = { flo = [0, 1] }"),
        r"no output 'flo' \(did you mean 'flow'",
    ),
    "one limit": ("local_level", ("smooth = true", "limits = { flow = 3 }"), "two readings, the lower one"),
    "two inflations": (
        "lorenz96",
        ('"etkf"', '"etkf"\ninflation_on_anomalies = 1.1\ninflation_on_variance = 1.1'),
        "one of the two",
    ),
    "steady": (
        "biofilm_layers",
        ("[method]", '[assimilate]\nfilter = "kalman"\n[method]'),
        "is no model in time",
    ),
    "which experiment": (
        "heat_conduction",
        ("[method]", '[assimilate]\nfilter = "kalman"\n[method]'),
        "allowed: '20 % filler', '40 % filler', '60 % filler'",
    ),
    "no time": (
        "heat_conduction",
        ("[method]", '[assimilate]\nfilter = "kalman"\nexperiment = "20 % filler"\n[method]'),
        "the data have no column 'time'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_key(mistake, tmp_path):
    name, pair, message = MISTAKES[mistake]
    path = changed(name, tmp_path, pair)
    with pytest.raises(ValueError, match=message):
        read_case(path)
    assert mscale("assimilate", path, "--out", tmp_path / "out").exit_code == 3
    assert not (tmp_path / "out").exists()


def test_several_mistakes_are_told_at_once(tmp_path):
    pairs = [('"kalman"', '"kalmann"'), (", level_sd = 3.833", ", level_ds = 3")]
    with pytest.raises(CaseError, match="3 mistakes") as caught:
        read_case(changed("local_level", tmp_path, *pairs))
    for words in ("kalmann", "level_ds", "no number for 'level_sd'"):
        assert words in str(caught.value)


def test_a_case_without_the_section_says_so(tmp_path):
    case = changed("lorenz63", tmp_path)
    text = case.read_text(encoding="utf-8")
    begin = text.index("[assimilate]")
    end = text.index("\n[", begin) + 1
    case.write_text(text[:begin] + text[end:], encoding="utf-8")
    with pytest.raises(CaseError, match=r"no section \[assimilate\]"):
        assimilate(case, out=tmp_path / "out")
    assert mscale("assimilate", case, "--out", tmp_path / "out").exit_code == 3


def test_a_system_at_rest_says_that_there_is_nothing_to_follow(tmp_path):
    with pytest.raises(CaseError, match="no state that a filter could follow"):
        assimilate("biofilm_layers", out=tmp_path / "out")
