"""Every planted mistake is told with file, key or line, and what is allowed, before anything is written.

The messages are in ``planted_mistakes.md``; to write that table anew:
``python tests/test_planted_mistakes.py``.
"""

import sys
import tempfile
import tomllib
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


def planted(folder, mistake):
    """Write the good case and its data with one mistake into a folder; return the case file."""
    assert "file" in mistake or mistake["old"] in GOOD["case"]
    for name, content in {
        **GOOD["files"],
        **({mistake["file"]: mistake["content"]} if "file" in mistake else {}),
    }.items():
        (folder / name).write_text(content)
    text = GOOD["case"] if "file" in mistake else GOOD["case"].replace(mistake["old"], mistake["new"])
    (folder / "line.toml").write_text(text)
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
