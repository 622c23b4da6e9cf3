"""A movie of cells that divide, played event by event, as a table that a tracker writes."""

from functools import cache

import numpy as np

RATES = {"transcription_rate": 2.0, "mrna_decay": 0.1386, "translation_rate": 4.0, "protein_decay": 0.0231}
GAIN, BACKGROUND, NOISE = 1.5, 100.0, 20.0
# Each branch: mother, first and last frame. Cell 1 divides between 60 and 65 min, its daughter 4 after 110.
BRANCHES = {
    "1": ("1", 1, 12),
    "2": ("2", 1, 30),
    "3": ("1", 13, 30),
    "4": ("1", 13, 22),
    "5": ("4", 23, 30),
    "6": ("4", 23, 30),
}
MINUTES, FRAMES = 5.0, 30
HEADER = "track,mother,t [min],light\n"

CASE = """
system = "cells/cell_state_fusion"
question = "What does a movie of cells that divide say?"
seed = 1

[[experiment]]
name = "movie"
data = "movie.csv"
reader = { format = "csv", columns = { cell = "track", parent = "mother", time = "t", intensity = "light" } }

[fixed]
background = 100
bleaching = "1e-5 1/min"
mrna_decay = "0.1386 1/min"
translation_rate = "4 1/min"
protein_decay = "0.0231 1/min"

[law]
intensity = { law = "fluorescence", sd = 20, shot = 0.05, relative = "3 %", background = 100 }

[prior]
transcription_rate = { dist = "lognormal", median = "2 1/min", factor = 2 }
gain = { dist = "lognormal", median = 1.5, factor = 1.5 }

[assimilate]
filter = "gaussian_sum"
members = 32
learn = ["transcription_rate", "gain"]
"""
LIVE = (
    CASE.replace('data = "movie.csv"', 'data = "movie.csv"\nfollow = true').replace(
        'intensity = "light" }', 'intensity = "light" }, cells = ["1", "2", "3", "4", "5", "6"]'
    )
    + '\n[stream]\nlate = "replay"\n'
)


def played(numbers, start, stop, rng):
    """Return the numbers of mRNA and protein at `stop`, reaction by reaction."""
    k, gamma_m, k_p, gamma_p = RATES.values()
    (m, p), now = numbers, start
    while True:
        rates = np.array([k, gamma_m * m, k_p * m, gamma_p * p])
        now += rng.exponential(1 / rates.sum())
        if now > stop:
            return m, p
        pick = np.searchsorted(rates.cumsum(), rng.random() * rates.sum())
        m, p = m + (pick == 0) - (pick == 1), p + (pick == 2) - (pick == 3)


def tree(seed):
    """Return branch -> numbers of mRNA and protein in each of its frames."""
    rng, found, born = np.random.default_rng(seed), {}, {}
    mothers = {mother for name, (mother, *_) in BRANCHES.items() if mother != name}
    for name, (mother, first, last) in BRANCHES.items():
        here = born[mother].pop() if mother != name else (0, 0)
        now, rows = 0.0 if mother == name else MINUTES * (first - 0.5), []
        for frame in range(first, last + 1):
            here, now = played(here, now, MINUTES * frame, rng), MINUTES * frame
            rows.append(here)
        if name in mothers:
            here = np.array(played(here, now, now + MINUTES / 2, rng))
            part = rng.binomial(here, 0.5)
            born[name] = [tuple(part), tuple(here - part)]
        found[name] = np.array(rows)
    return found


@cache
def movie(seed=0):
    """Return the lines of the table, frame by frame, and branch -> numbers in each of its frames."""
    cells, rng, lines = tree(seed), np.random.default_rng(seed + 1000), []
    for frame in range(1, FRAMES + 1):
        for name, (mother, first, last) in BRANCHES.items():
            if first <= frame <= last:
                light = GAIN * np.exp(-1e-5 * MINUTES * frame) * cells[name][frame - first, 1]
                sd = np.sqrt(NOISE**2 + 0.05 * light + (0.03 * light) ** 2)
                read = BACKGROUND + light + sd * rng.standard_normal()
                lines.append(f"{name},{mother},{MINUTES * frame:g},{read:.2f}\n")
    return lines, cells
