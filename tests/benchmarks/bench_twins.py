"""Coverage of the filter of the case `cell_state_fusion`: `python bench_twins.py [--twins 400] [--first 0]`.

The five unknowns of the case under its priors, 256 nodes, six hours of four cells with a frame every quarter
of an hour, three dishes of 100 sequenced cells; every reaction of every cell is simulated. Printed for each
unknown, and for one cell's mRNA and protein: how often the 90 % interval holds the truth, with the band that
holds 999 of 1000 right filters, and the root mean square of its distance in standard deviations, which is one
if these are right. A twin takes one and a half seconds of processor time.
"""

import argparse
import sys
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import numpy as np
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).parents[1] / "systems"))
from twins import KNOWN, Setting, Twin

from mscale_uq.filters.augment import Unknown

REACH = 1.6448536
PRIOR = {
    "transcription_rate": Unknown(2.0, np.log(3) / 1.96),
    "mrna_decay": Unknown(KNOWN["mrna_decay"], np.log(1.5) / 1.96),
    "protein_decay": Unknown(KNOWN["protein_decay"], np.log(2) / 1.96),
    "gain": Unknown(1.5, np.log(2) / 1.96),
    "capture": Unknown(0.1, 0.053),
}
SETTING = Setting(4, 24, 15.0, 100, (3, 11, 23), 256, PRIOR)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--twins", type=int, default=400)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.twins)
    z = np.array([Twin(SETTING, seed).fused.z for seed in seeds])
    low, high = binom.ppf([0.0005, 0.9995], len(z), 0.9) / len(z)
    print(f"{len(z)} twins, 90 % intervals; band {low:.3f} to {high:.3f}")
    for name, column in zip((*PRIOR, "mRNA", "protein"), z.T, strict=True):
        held, size = np.mean(np.abs(column) < REACH), np.sqrt(np.mean(column**2))
        print(f"{name:20s} {held:.3f}   distance {size:.2f} standard deviations")


if __name__ == "__main__":
    main()
