"""The page: one file without network, labels escaped, every number with its unit."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from known_line import CASE, write_case

from mscale_uq.cli.fit import verdict_lines
from mscale_uq.report.content import effective, findings, measured, unknowns, verdicts
from mscale_uq.report.page import render, write_report
from mscale_uq.results.summary import derived
from mscale_uq.run.calibrate import fit

OWN = 'offset = { dist = "normal", mean = 0, sd = 1, shape = "experiments" }'
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and whether what is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.attributes, self.text, self.balanced = [], [], [], [], True
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        self.balanced &= bool(self.open) and self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def html(line_run):
    return render(line_run)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_what_is_opened_is_closed_and_no_mark_stands_twice(page):
    assert page.balanced
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_the_page_needs_no_network(html, page):
    sources = [
        value for name, value in page.attributes if name in ("src", "href", "xlink:href", "data", "action")
    ]
    assert all(value.startswith(("#", "data:")) for value in sources)
    assert not re.search(r"@import|<script|<link|url\((?!#)", html)


def test_every_reference_inside_a_drawing_has_its_mark(html, page):
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', html))
    assert used
    assert used <= set(page.ids)


def test_labels_are_escaped(html, page):
    assert "<slow>" not in html
    assert "10 % <slow>" in "".join(page.text)


def test_the_page_opens_with_the_question_and_the_verdict(page):
    text = " ".join(" ".join(page.text).split())
    question, verdict, unit = "How fast does the line grow", "Diagnostics met", "m/s"
    assert text.index(question) < text.index(verdict) < text.index(unit)


def test_every_axis_says_what_and_in_which_unit(page):
    text = page.text
    for label in ("time (s)", "length (m)", "end (m)", "speed (m/s)", "offset (m)", "doubled speed (m/s)"):
        assert label in text, label


def test_what_is_made_beside_the_data_has_its_unit(line_run):
    """The length at the end is an output; one of two experiments reads it."""
    units = {name: array.attrs.get("unit") for name, array in derived(line_run.idata).data_vars.items()}
    assert units["end"] == "m"
    assert units["doubled_speed"] == "m/s"


def test_a_system_that_names_what_is_worth_seeing_shows_nothing_else(line_run):
    """In a mode that makes none of it, what is on the way is not reported in its place, without a unit."""
    other = line_run.idata.copy()
    del other.derived
    other.add_groups({"derived": derived(line_run.idata).drop_vars("doubled_speed")})
    assert effective(line_run)
    assert derived(other).data_vars
    assert effective(replace(line_run, idata=other)) == []


def test_no_number_has_more_digits_than_a_person_can_use(page):
    shown = [word for word in page.text if not word.lstrip().startswith("system =")]
    assert not re.search(r"\d\.\d{7,}", " ".join(shown))


def test_the_report_can_be_written_again_from_the_folder(line_run, html):
    before = line_run.report.read_text()
    assert write_report(line_run).read_text() == before == html


def test_the_truth_is_compared_with_its_interval(line_run):
    rows = {row["name"]: row for row in verdicts([*unknowns(line_run), *effective(line_run)])}
    assert rows["speed"]["wanted"] == "2 m/s"
    draws = line_run.idata["posterior"]["speed"].to_numpy()
    low, high = np.quantile(draws, [0.0005, 0.9995])
    assert rows["speed"]["good"] == ("yes" if low <= 2 <= high else "no")
    assert rows["doubled speed"]["wanted"] == "4 ± 1 m/s"
    assert rows["doubled speed"]["good"] == "yes"


def test_readings_inside_their_intervals_are_counted_and_missing_ones_said(line_run):
    said = {(one.experiment, one.quantity): one.inside for one in measured(line_run)}
    assert said["10 % <slow>", "length"].endswith("lie inside their 95 % intervals; 1 is missing")
    assert said["10 % <slow>", "end"] in (
        "the reading lies inside its 95 % interval",
        "the reading lies outside its 95 % interval",
    )


def test_strong_data_are_said_to_be_strong(line_run):
    assert findings(unknowns(line_run)) == [
        "The data determine offset and speed: more than 90 % of the prior variance is gone.",
        "None of the unknowns is left to its prior.",
    ]


def test_nothing_is_said_of_an_unknown_whose_chains_have_not_met(line_run):
    """Draws of chains that are apart are spread as chance has it, wider than the prior too."""
    offset, speed = unknowns(line_run)
    split = replace(speed, row={**speed.row, "R-hat": 2.8, "contraction": -0.5})
    assert findings([offset, split]) == [
        "What the data say of speed is not known yet: the chains have not met.",
        "The data determine offset: more than 90 % of the prior variance is gone.",
    ]


def test_of_whom_it_is_said_that_they_are_hardly_told_apart(line_run):
    """Whom the draws entangle in normal scores, not in the units of a page."""
    assert findings(unknowns(line_run), [("offset", "speed_of_line", -0.97)])[2:] == [
        "Offset and speed of line are hardly told apart (correlation −0.97)."
    ]
    many = [("offset", f"speed[{i}]", (-1) ** i * (0.93 + i / 100)) for i in range(7)]
    said = findings(unknowns(line_run), many)[2:]
    assert [sentence[-6:-2] for sentence in said[:-1]] == ["0.99", "0.98", "0.97", "0.96", "0.95"]
    assert said[0] == "Offset and speed[6] are hardly told apart (correlation +0.99)."
    assert said[-1] == "So are 2 more pairs."


def test_page_and_terminal_say_what_is_kept_of_combinations(line_run, page):
    """Known of the line: offset and speed of readings after zero trade off."""
    said = line_run.facts["told"]
    assert [line.partition(" of its")[0].partition(" ")[0] for line in said] == ["keeps", "keeps", "worst"]
    assert said[-1].startswith("worst correlated pair (of the draws): offset, speed: −0.")
    assert set(said) <= set(page.text)
    shown = verdict_lines(line_run)
    first = next(i for i, line in enumerate(shown) if line.startswith("what the draws tell of combinations"))
    assert shown[first + 1 :][: len(said)] == [f"  {line}" for line in said]
    assert any(
        "near 0 the data tell a combination, near 1 the prior alone does" in line for line in page.text
    )


def test_the_page_says_what_its_diagnostics_mean(page):
    text = " ".join(" ".join(page.text).split())
    for meant in ("R-hat compares the chains", "ESS is how many independent draws they are worth"):
        assert meant in text


def test_combinations_name_entries_as_the_table_does(toys, tmp_path):
    """By experiment, where each has an entry of its own."""
    own = CASE.replace('offset = { dist = "normal", mean = 0, sd = 1 }', OWN)
    result = fit(write_case(tmp_path, own), out=tmp_path / "run")
    assert "offset[fast]" in result.summary.index
    told = " ".join(result.facts["told"])
    assert "offset[10 % <slow>]" in told
    assert "offset[fast]" in told
    assert "offset[0]" not in told


def test_a_method_is_not_told_what_it_does_not_do(page):
    """The line is sampled by Laplace's method: no tuning, and nothing that could diverge."""
    text = " ".join(" ".join(page.text).split())
    assert "divergent" not in text
    assert "for tuning" not in text
    assert "A solver failed 0 times" in text
