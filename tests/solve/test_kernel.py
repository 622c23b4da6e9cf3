"""What is compiled is kept, and compiled anew as soon as anything that it was made from has changed."""

import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from numba import njit

from mscale_uq.solve.fingerprint import fingerprint
from mscale_uq.solve.kernel import kernel

CALLEE = """
from mscale_uq.solve.kernel import kernel

SCALE = {scale}

@kernel
def tripled(x):
    return {factor} * x
"""
CALLER = """
from callee import SCALE, tripled
from mscale_uq.solve.kernel import callback, kernel
from numba import float64

@kernel
def of_two(x):
    return SCALE * tripled(2 * x)

def plain(x):
    return tripled(x) + SCALE

at_once = callback(plain, float64(float64))
print(of_two(1.0), at_once.ctypes(1.0), sum(of_two.stats.cache_hits.values()), at_once.cache_hits)
"""


def answers(folder, factor, scale):
    """What a new process finds after the callee's file was written, and how much of it was kept."""
    (folder / "callee.py").write_text(CALLEE.format(factor=factor, scale=scale))
    kept = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "kept")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", "import caller"],
        cwd=folder, env=kept, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [float(number) for number in done.stdout.split()]


def test_a_change_of_what_is_called_or_taken_from_another_file_is_seen(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    assert answers(tmp_path, 3.0, 1.0) == [6.0, 4.0, 0, 0]
    assert answers(tmp_path, 3.0, 1.0) == [6.0, 4.0, 1, 1]
    assert answers(tmp_path, 5.0, 1.0) == [10.0, 6.0, 0, 0]
    assert answers(tmp_path, 5.0, 7.0) == [70.0, 12.0, 0, 0]


TABLE, OTHER = np.array([1.0, 2.0]), np.array([1.0, 2.5])


def made(factor=2.0, table=TABLE, compiler=kernel):
    """A function with a constant, a table and a compiled callee from elsewhere."""

    @compiler
    def inner(x):
        return factor * x

    def outer(x):
        return [inner(x) + table[0] for _ in range(2)]

    return outer


def test_equal_functions_have_equal_fingerprints():
    assert fingerprint(made()) == fingerprint(made(table=TABLE.copy()))


@pytest.mark.parametrize(
    "change", [{"factor": 2.5}, {"table": OTHER}, {"compiler": kernel(fastmath=True)}, {"compiler": njit}]
)
def test_another_constant_table_or_option_is_another_function(change):
    assert fingerprint(made(**change)) != fingerprint(made())


def test_a_constant_named_through_a_module_counts():
    mine, prints = ModuleType("mine"), []

    def area(r):
        return mine.pi * np.square(r)

    for pi in (3.0, 3.1, 3.0):
        mine.pi = pi
        prints.append(fingerprint(area))
    assert prints[0] == prints[2] != prints[1]
