"""A person names the image of her electrode in the case; one that does not percolate is told in one line."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mscale_uq.case.read import read_case
from mscale_uq.cell.pore_image import through_plane
from mscale_uq.cli.commands import app
from mscale_uq.run.folder import prepare

CASE = """
system = "transport/porous_medium"
question = "How fast does the salt diffuse in the pores of this electrode?"

[[experiment]]
name = "electrode"
data = "discs.csv"
options = { microstructure = "image", image = "section.png" }

[law]
effective_diffusivity = { sd = "2 um^2/s" }
density_porosity = { sd = 0.02 }

[prior]
bulk_diffusivity = { dist = "lognormal", lower = "1e-10 m^2/s", upper = "1e-9 m^2/s", mass = 0.95 }
"""
PORES = np.random.default_rng(4).random((24, 24)) < 0.8


def written(folder, pores, text=CASE):
    Image.fromarray(np.uint8(255 * pores)).save(folder / "section.png")
    (folder / "discs.csv").write_text(
        "disc,effective_diffusivity [um^2/s],density_porosity [%]\n1,150,80\n2,160,79\n"
    )
    (folder / "electrode.toml").write_text(text)
    return folder / "electrode.toml"


def test_the_image_decides_porosity_and_obstruction(tmp_path):
    case = read_case(written(tmp_path, PORES))
    (experiment,) = case.posterior().experiments
    known = experiment.trace({"bulk_diffusivity": np.asarray(3e-10)})
    assert known["porosity"] == PORES.mean()
    assert known["ratio"] == pytest.approx(through_plane(PORES, 0), rel=1e-12)
    assert known["effective_diffusivity"] == pytest.approx(3e-10 * through_plane(PORES, 0), rel=1e-12)


def test_another_image_is_another_run_and_the_folder_holds_it(tmp_path):
    case = read_case(written(tmp_path, PORES))
    prepare(tmp_path / "run", case, fresh=False)
    again = read_case(tmp_path / "run/case.toml")
    assert again.hash == case.hash
    other = read_case(written(tmp_path, PORES.T))
    assert {part for part in case.identity if case.identity[part] != other.identity[part]} == {"data"}


@pytest.mark.parametrize("command", ["check", "fit"])
def test_an_image_that_does_not_percolate_is_told_in_one_line(tmp_path, monkeypatch, command):
    pores = PORES.copy()
    pores[11] = False
    path = written(tmp_path, pores)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [command, str(path)])
    assert done.exit_code == 3
    assert done.output.count("\n") == 1
    assert done.output.startswith(
        "mscale: electrode.toml: experiment.electrode: porous_medium: the image does not percolate: "
        "no pore leads from its first row to its last"
    )
    assert not (tmp_path / "runs").exists()


MISTAKES = {
    "no such file": (
        '"section.png"',
        '"secton.png"',
        "experiment.electrode.options.image: no file 'secton.png'",
    ),
    "above the case": ('"section.png"', '"../section.png"', "allowed: a path below the case's folder"),
    "none": (', image = "section.png"', "", "microstructure 'image' with the file of one"),
    "of no use": ('microstructure = "image"', 'microstructure = "square"', "an image with another"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_in_naming_it_is_told_with_its_key(tmp_path, what):
    old, new, said = MISTAKES[what]
    done = CliRunner().invoke(app, ["check", str(written(tmp_path, PORES, CASE.replace(old, new)))])
    assert done.exit_code == 3
    assert said in done.output
