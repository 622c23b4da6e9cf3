"""The JSON schema: an editor accepts what the reader accepts, and marks what it refuses by form."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from mscale_uq.case.filter_names import FILTERS
from mscale_uq.case.filters import ANALYSES, GAUSSIAN, OTHERS
from mscale_uq.catalog import cases, find_case
from mscale_uq.cli.commands import app

TEMPLATE = Path(__file__).parents[2] / "mscale_uq/cli/templates/case.toml"


@pytest.fixture(scope="module")
def editor():
    schema = json.loads(CliRunner().invoke(app, ["schema"]).output)
    checker = jsonschema.validators.validator_for(schema)
    checker.check_schema(schema)
    return checker(schema)


@pytest.mark.parametrize("path", [*map(find_case, cases()), TEMPLATE], ids=lambda path: path.stem)
def test_every_case_is_one(editor, path):
    editor.validate(tomllib.loads(path.read_text()))


MISTAKES = {
    "an unknown key": ("seed = 1", "sede = 1", "'sede' was unexpected"),
    "an unknown law": ('"gaussian"', '"gauss"', "'gauss' is not one of"),
    "an unknown sampler": ("draws = 500", 'sampler = "nut"', "'nut' is not one of"),
    "no name": ('name = "first plate"', "", "'name' is a required property"),
    "half a draw": ("draws = 500", "draws = 1.5", "1.5 is not of type 'integer'"),
    "an unknown key of a prior": ("mass =", "maas =", "'maas' was unexpected"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_form_is_marked(editor, mistake):
    old, new, said = MISTAKES[mistake]
    tables = tomllib.loads(TEMPLATE.read_text().replace(old, new, 1))
    messages = [one.message for one in editor.iter_errors(tables)]
    inner = [c.message for one in editor.iter_errors(tables) for c in one.context]
    assert any(said in message for message in messages + inner), messages + inner


def test_every_filter_of_a_case_is_offered_with_what_it_is_for(editor):
    one = editor.schema["$defs"]["AssimilateSpec"]["properties"]["filter"]
    assert [choice["const"] for choice in one["oneOf"]] == list(FILTERS)
    assert set(FILTERS) == {*GAUSSIAN, *ANALYSES, *OTHERS}
    assert all(choice["description"] for choice in one["oneOf"])
    section = editor.evolve(schema={**one, "$defs": editor.schema["$defs"]})
    assert section.is_valid("etkf")
    assert not section.is_valid("etk")


def test_it_is_written_into_a_file_too(tmp_path):
    done = CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "case.schema.json")])
    assert done.exit_code == 0
    assert json.loads((tmp_path / "case.schema.json").read_text())["title"] == "mscale_uq case"
    done = CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "nowhere" / "x")])
    assert done.exit_code == 1
    assert done.output.endswith(": No such file or directory\n")
