"""One thread per process, caches inside the checkout: set before anything imports NumPy."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parents[1] / ".cache"

# Files whose slow tests take minutes. xdist gives each of two workers one half of all tests, and lets the one
# that is through steal from the other: long ones at the head of both halves leave no worker alone at the end.
LONG = (
    (
        "test_notebooks.py",
        "test_calibration_of_inclusions.py",
        "test_twin_fusion.py",
        "test_sinoatrial_cell.py",
    ),
    ("test_kill.py", "test_planted_defects.py", "test_calibration_of_a_case.py"),
)

# Tests run in parallel processes; threads inside them would only fight for the same cores.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE / "numba"))
os.environ.setdefault("PYTENSOR_FLAGS", f"base_compiledir={CACHE / 'pytensor'}")


@pytest.hookimpl(trylast=True)  # after those that are not asked for are left out
def pytest_collection_modifyitems(items):
    """Let each worker begin with long ones; what a module prepares stays together."""
    heads = [[item for name in names for item in items if item.path.name == name] for names in LONG]
    rest = [item for item in items if item.path.name not in {name for names in LONG for name in names}]
    cut = max(0, len(items) // 2 - len(heads[0]))
    items[:] = [*heads[0], *rest[:cut], *heads[1], *rest[cut:]]


def toy_systems():
    """Put the systems of tests/systems into the catalogue."""
    return systems_in(Path(__file__).parent / "systems")


@contextmanager
def systems_in(path):
    """Put the systems of a folder into the catalogue, also that of spawned workers."""
    import mscale_uq.models as models

    folder, before = str(path), set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSCALE_UQ_MODELS", folder)
        patch.setattr(models, "__path__", [*models.__path__, folder])
        yield
    families = tuple(f"mscale_uq.models.{init.parent.name}" for init in path.glob("*/__init__.py"))
    for name in [name for name in set(sys.modules) - before if name.startswith(families)]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def in_catalogue():
    """`systems_in`, for tests that make systems of their own."""
    return systems_in


@pytest.fixture(scope="module")
def toys():
    """Systems whose posteriors are known."""
    with toy_systems():
        yield


@pytest.fixture(scope="session")
def line_run(tmp_path_factory):
    """Calibrate the line once; its posterior is known."""
    from known_line import write_case

    from mscale_uq.run.calibrate import fit

    folder = tmp_path_factory.mktemp("line")
    with toy_systems():
        return fit(write_case(folder), out=folder / "run")


def pytest_terminal_summary(terminalreporter):
    """Say what a quick profile of each case has cost: a minute of processor time is what it may."""
    told = [dict(report.user_properties) for report in terminalreporter.getreports("passed")]
    rows = [row for row in told if "processor_seconds" in row]
    for row in sorted(rows, key=lambda row: -row["processor_seconds"]):
        terminalreporter.write_line(
            f"{row['case']:40s} {row['processor_seconds']:5.1f} s of processor time, "
            f"{row['evaluations']} evaluations{'  MORE THAN A MINUTE' * (row['processor_seconds'] > 60)}"
        )


@pytest.fixture
def nile(tmp_path):
    """Return the file of a case that follows the flow of the Nile."""
    from nile import nile_case

    return nile_case(tmp_path)
