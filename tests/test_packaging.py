"""What a person gets who installs a release: the package, every system and every data file, nothing else."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = {"mscale_uq": "mscale_uq", "models": "mscale_uq/models", "data": "mscale_uq/data"}

# Isolated, and without `site`: the .pth file that points to this checkout is not read.
ELSEWHERE = """
import runpy, sys
sys.path[:0] = [sys.argv[1]]
sys.path.append(sys.argv[2])
import mscale_uq
print(mscale_uq.__file__, file=sys.stderr)
sys.argv = ["mscale", *sys.argv[3:]]
runpy.run_module("mscale_uq", run_name="__main__")
"""


def run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "MSCALE_UQ_MODELS"}
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run(command, cwd=cwd, env=environment, check=False, **quiet)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def source_files():
    """Return {path inside the wheel} of every file that the checkout means to ship."""
    return {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in SHIPPED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Build the sdist, and the wheel from that sdist, as a release does."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory):
    """Install the wheel into a folder of its own, with nothing of the checkout in reach."""
    target = tmp_path_factory.mktemp("installed")
    (wheel,) = dist.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    run(*pip, "--no-deps", "--target", str(target), str(wheel), cwd=target)
    return target


@pytest.fixture(scope="module")
def mscale(installed, tmp_path_factory):
    """Call the command line of the installed package from an empty folder."""

    def call(*arguments):
        isolated = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            ELSEWHERE,
            str(installed),
            sysconfig.get_path("purelib"),
        ]
        return run(*isolated, *arguments, cwd=tmp_path_factory.mktemp("elsewhere"))

    return call


@pytest.mark.slow
def test_that_the_wheel_holds_every_source_file_and_nothing_else(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == source_files()


@pytest.mark.slow
def test_that_the_sdist_holds_all_that_the_two_commands_need(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "requirements.lock", "pyproject.toml", "README.md", "LICENSE"} <= held
    assert "tests/test_packaging.py" in held


@pytest.mark.slow
def test_that_the_installed_package_lists_its_systems(mscale, installed):
    done = mscale("list")
    assert str(installed) in done.stderr
    assert str(ROOT) not in done.stderr
    for system in ("biofilm_layers", "heat_conduction"):
        assert system in done.stdout


@pytest.mark.slow
def test_that_the_installed_package_writes_a_new_system(mscale):
    assert "made models/mine/plate.py\n" in mscale("new", "plate").stdout


@pytest.mark.slow
def test_that_the_installed_package_has_its_data_inside(installed):
    data = installed / "mscale_uq" / "data"
    assert {path.parent.name for path in data.glob("*/*.csv")} >= {"biofilm_layers", "heat_conduction"}
    for csv in data.glob("*/*.csv"):
        assert (csv.parent / "README.md").is_file(), f"{csv.parent.name} does not say where its data are from"


def test_that_the_lock_file_names_no_host_and_no_machine():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "file:" not in lock
    assert str(ROOT.parent) + "/" not in lock


def test_that_the_lock_file_pins_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["notebooks"], *extras["nutpie"]]
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {re.match(r"[a-z0-9-]+", name).group() for name in wanted} <= pinned


def test_that_private_systems_are_found_beside_the_shipped_ones(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    code = "import mscale_uq.models.mine, mscale_uq.models.transport; print(mscale_uq.models.mine.__file__)"
    environment = {**os.environ, "MSCALE_UQ_MODELS": str(tmp_path)}
    said = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert Path(said.strip()) == tmp_path / "mine" / "__init__.py"
