"""A lab that follows the shipped live case: an hour and a quarter of its movie, and the dish taken in it."""

import os
import shutil

import numpy as np
from journal_rows import asked

from mscale_uq.case.awaited import Awaited
from mscale_uq.case.read import read_case
from mscale_uq.case.schema import ReaderSpec
from mscale_uq.catalog import data_root, find_case, load_system
from mscale_uq.run.live import follow_case
from mscale_uq.stream.view import View
from mscale_uq.stream.watched import QUIET, WatchedFiles

SHIPPED = data_root() / "cell_state_fusion"
DISH = SHIPPED / "dish_1.h5ad"  # taken at one hour
MINUTES, HEADER = 75.0, 4
FUSION = load_system("cells/cell_state_fusion")


def shortened(name):
    """Return the text of a shipped case on the lab's files, with few nodes."""
    text = find_case(name).read_text().replace("cell_state_fusion/", "lab/")
    few = text.replace('filter = "gaussian_sum"', 'filter = "gaussian_sum"\nmembers = 32')
    return few.replace("seed = 20261126", "seed = 20261127")


def movie():
    """Return the lines of the movie's first part."""
    lines = (SHIPPED / "movie.csv").read_text().splitlines(keepends=True)
    return lines[:HEADER] + [line for line in lines[HEADER:] if float(line.split(",")[7]) <= MINUTES]


def lab(folder):
    """Make a folder for the files of a lab, and return its case."""
    (folder / "lab").mkdir(parents=True)
    (folder / "live.toml").write_text(shortened("cell_state_fusion_live"))
    return folder / "live.toml"


def write(folder, text):
    """Write the movie anew."""
    (folder / "lab" / "movie.csv").write_text(text)


def dishes(folder, files="*.h5ad", quiet=QUIET):
    """Watch a folder for dishes, as the case does."""
    reader = ReaderSpec(format="h5ad", columns={"umi": "reporter"}, time_unit="h")
    one = Awaited("dishes", (folder / files,), reader, FUSION)
    return WatchedFiles("dishes", one.patterns, one._records, by_lines=False, quiet=quiet)


def came(file, into):
    """Let a file come that has lain there for long."""
    there = into / file.name
    shutil.copy(file, there)
    os.utime(there, (0, 0))


def follow(case, out):
    return follow_case(read_case(case), out, stop_when_idle=0)


def believed(out):
    """Return the last state's bytes, and what each step says of readings and beliefs."""
    newest = asked(out, "SELECT state FROM checkpoint ORDER BY time DESC LIMIT 1")[0][0]
    with View(out) as view:
        return newest, [change.row for change in view.steps()]


def median(row, name):
    return np.asarray(row["learned"][name])[1]
