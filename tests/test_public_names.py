"""The public names, pinned: a change here is a change for every user."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mscale_uq

PINNED = """
Case CaseError DataError Dynamics Formula ForwardFailure ForwardModel Implicit Infeasible InputError
MscaleError NoGradient OutOfLimits Parameter ParameterError Posterior Result RunError SolveFailed
Stage StateSpace System UnitError WiringError effective_conductivity fit load_system read_case
to_pymc assimilate
""".split()
HEAVY = "pymc pytensor arviz pint matplotlib pandas xarray scipy pydantic skfem numba".split()


def test_the_public_names_are_these():
    assert sorted(mscale_uq.__all__) == sorted(PINNED)
    assert set(PINNED) < set(dir(mscale_uq))


@pytest.mark.parametrize("name", PINNED)
def test_every_public_name_is_there_and_explained(name):
    public = getattr(mscale_uq, name)
    assert public.__name__ == name
    assert public.__doc__


def test_the_example_of_the_package_runs():
    assert doctest.testmod(mscale_uq).failed == 0


def test_what_is_for_scripts_alone_is_where_the_architecture_says():
    text = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text()
    rows = text.split("## In Python alone\n")[1].split("\n## ")[0].splitlines()
    told = [row.split("|")[1:3] for row in rows if row.startswith("| `")]
    assert len(told) >= 8
    for names, file in told:
        path = file.strip(" `").removesuffix(".py").replace("/", ".")
        module = importlib.import_module(f"mscale_uq.{path}")
        for name in re.findall(r"`(\w+)`", names):
            assert getattr(module, name).__doc__, name


def test_a_name_that_is_not_public_is_missing():
    with pytest.raises(AttributeError, match="no attribute 'lod_system'"):
        mscale_uq.lod_system  # noqa: B018


def test_a_wrong_input_is_a_value_error():
    for name in (
        "CaseError",
        "DataError",
        "ParameterError",
        "RunError",
        "UnitError",
        "WiringError",
        "OutOfLimits",
    ):
        assert issubclass(getattr(mscale_uq, name), ValueError)


# Processor time of the child, which does not depend on who else is working.
COST = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)
"""


def seconds(*arguments):
    command = [sys.executable, "-c", COST, *arguments]
    return min(float(subprocess.check_output(command, text=True)) for _ in range(3))


def test_importing_the_package_costs_less_than_a_second():
    assert seconds("-c", "import mscale_uq") < 1.0


def test_help_costs_less_than_half_a_second():
    assert seconds("-m", "mscale_uq", "--help") < 0.5


@pytest.mark.parametrize(
    "code", ["import mscale_uq", "import mscale_uq.cli.commands", "import mscale_uq.infer.methods"]
)
def test_nothing_heavy_comes_along(code):
    said = subprocess.check_output(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], text=True
    )
    assert not set(HEAVY) & set(said.split())


def test_a_case_is_read_without_the_tables_of_scipy_s_distributions():
    code = "from mscale_uq.case.read import read_case; import sys; print(*sys.modules)"
    said = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "mscale_uq.stats.priors" in said
    assert "scipy.stats" not in said  # as long to import as everything else
