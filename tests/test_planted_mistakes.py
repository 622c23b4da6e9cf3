"""Every planted mistake is told with file, key or line, and what is allowed, before anything is written.

The messages are in ``planted_mistakes.md``; to write that table anew:
``python tests/test_planted_mistakes.py``.
"""

import sys
import tempfile
import tomllib
from functools import cache
from pathlib import Path

import pytest

from mscale_uq.case.fields import SAMPLERS
from mscale_uq.case.schema import CaseSpec
from mscale_uq.catalog import names
from mscale_uq.errors import CaseError, InputError
from mscale_uq.run.calibrate import fit
from mscale_uq.stats.priors import FAMILIES

HERE = Path(__file__).parent
TABLE = HERE / "planted_mistakes.md"
PLANTED = tomllib.loads((HERE / "planted_mistakes.toml").read_text())
GOOD = PLANTED["good"]
MISTAKES = [*PLANTED["mistake"], *PLANTED["data"]]
HEADER = """# Planted mistakes, and what a person reads

Each is planted into the good case at the head of `planted_mistakes.toml`; every command says `mscale: ` and
what stands in the last column (⏎ ends a line, … stands for a list that grows), and ends with status 3.
Written by `python tests/test_planted_mistakes.py`, kept true by the tests.

| mistake | what is written | what is told |
|---|---|---|
"""


def spoilt(*mistakes):
    """Return the text of the good case and its data files, with some mistakes planted."""
    text, files = GOOD["case"], dict(GOOD["files"])
    for mistake in mistakes:
        if "file" in mistake:
            files[mistake["file"]] = mistake["content"]
        else:
            assert mistake["old"] in text
            text = text.replace(mistake["old"], mistake["new"])
    return text, files


def planted(folder, *mistakes):
    """Write the spoilt case and its data into a folder; return the case file."""
    text, files = spoilt(*mistakes)
    for name, content in {**files, "line.toml": text}.items():
        (folder / name).write_text(content)
    return folder / "line.toml"


def told(path):
    """Ask for a fit, and return the refusal; nothing may be written."""
    before = {one: one.read_bytes() for one in path.parent.iterdir()}
    with pytest.raises(InputError) as caught:
        fit(path, out=path.parent / "run")
    assert {one: one.read_bytes() for one in path.parent.iterdir()} == before
    return caught.value


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["what"])
def test_a_planted_mistake_is_told_and_nothing_is_written(tmp_path, mistake):
    error = told(planted(tmp_path, mistake))
    said = str(error)
    assert isinstance(error, CaseError) == ("file" not in mistake), "the case or its data: whose fault it is"
    assert said.startswith("line.toml: ")
    first, *more = said.splitlines()
    assert not more or first == f"line.toml: {len(more)} mistakes", "one line for each"
    for part in mistake["said"]:
        assert part in said
    assert "allowed: " in said or "missing" in said
    assert row(mistake, said) in TABLE.read_text().splitlines(), "see the head of this file"


def test_the_table_holds_every_mistake_and_no_other():
    rows = TABLE.read_text().removeprefix(HEADER).splitlines()
    assert [one.split(" | ")[0] for one in rows] == [f"| {mistake['what']}" for mistake in MISTAKES]
    assert len(rows) >= 25


# One of each stage of reading: form, option, file, its lines, law, binding, fixed number, prior, expectation.
STAGES = (
    "half a draw",
    "unknown key in a prior",
    "option in the wrong unit",
    "no such file",
    "a cut row",
    "law in the wrong unit",
    "unknown parameter bound",
    "fixed in the wrong unit",
    "prior in the wrong unit",
    "mass on the impossible",
    "expectation of nobody",
)
# After these nobody can know what else is wrong, or they rename the keys of all that follows.
ALONE = ("no TOML", "unknown system", "missing key", "a slash in a name", "one name for two experiments")
BY_NAME = {mistake["what"]: mistake for mistake in MISTAKES}


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("stage", STAGES)
def test_no_mistake_hides_another_nor_makes_one_up(tmp_path, stage):
    """The message on two mistakes is that on the one and that on the other, and nothing else."""
    one = BY_NAME[stage]
    seen, own = 0, _lines(told(planted(tmp_path, one)))
    for what, other in BY_NAME.items():
        if what in ALONE or _touch_the_same(one, other):
            continue
        both = _lines(told(planted(tmp_path, one, other)))
        assert both == own | told_alone(what), what
        seen += 1
    assert seen >= 45


@cache
def told_alone(what):
    """Return the lines told of one mistake."""
    with tempfile.TemporaryDirectory() as folder:
        return _lines(told(planted(Path(folder), BY_NAME[what])))


def _lines(error):
    """Return what was given wrongly; what is allowed may depend on what else is there."""
    first, *more = str(error).removeprefix("line.toml: ").splitlines()
    return {line.strip().partition("; allowed: ")[0] for line in more or [first]}


def _touch_the_same(one, other):
    """Whether two mistakes are planted on the same line or in the same file, or open the same table."""
    if one is other or _places(one) & _places(other):
        return True
    try:
        tomllib.loads(spoilt(one, other)[0])
    except tomllib.TOMLDecodeError:
        return True
    return False


def _places(mistake):
    """Return the lines of the good case that a mistake changes, and the data file that it spoils."""
    if "file" in mistake:
        return {mistake["file"]}
    start = GOOD["case"].index(mistake["old"])
    first = GOOD["case"][:start].count("\n")
    lines = set(range(first, first + mistake["old"].rstrip("\n").count("\n") + 1))
    return lines | {name for name in GOOD["files"] if name in mistake["old"]}


def row(mistake, said):
    """Return a mistake as a row of the table."""
    if "file" in mistake:
        written = f"{code(mistake['content'])} in `{mistake['file']}`"
    else:
        written = f"{code(mistake['new'])} for {code(mistake['old'])}"
    for growing in (names(), CaseSpec.model_fields, SAMPLERS, FAMILIES):
        said = said.replace(", ".join(growing), "…")
    cells = (mistake["what"], written, code(said))
    return f"| {' | '.join(cells)} |"


def code(text):
    """Return text as code in one cell."""
    flat = text.replace("|", "\\|").replace("\n  ", " ⏎ ").replace("\n", "⏎")
    return f"`{flat}`" if flat.strip() else "nothing"


def main():
    """Write the table."""
    import mscale_uq.models as models

    models.__path__.append(str(HERE / "systems"))
    rows = []
    for mistake in MISTAKES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(mistake, str(told(planted(Path(folder), mistake)))))
    TABLE.write_text(HEADER + "\n".join(rows) + "\n")


if __name__ == "__main__":
    sys.exit(main())
