"""Twin experiments of the case `cell_state_fusion`: a truth from the prior, its movie and its dishes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from mscale_uq.models.cells import cell_state_fusion as fusion
from numba import njit

from mscale_uq.core.observation import Observation
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.coordinate import Coordinate
from mscale_uq.filters.loop import start
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.fluorescence import Fluorescence

CAMERA = Fluorescence(20.0, shot=0.05, relative=0.03, background=100.0)
OVERDISPERSION, DISH_SD = 0.05, 0.1
TWO = {"transcription_rate": Unknown(2.0, 0.4), "gain": Unknown(1.5, 0.4)}
KNOWN = {p.name: float(p.default) for p in (*fusion.RATES, *fusion.LIGHT, fusion.CAPTURE)}
PARAMETERS = {p.name: p for p in (*fusion.RATES, *fusion.LIGHT, fusion.CAPTURE)}


@dataclass(frozen=True)
class Setting:
    """What is measured when: a dish is taken at the frames named, and the filter has so many nodes."""

    cells: int
    frames: int
    interval: float
    sequenced: int
    dishes: tuple[int, ...]
    nodes: int
    unknown: "dict[str, Unknown] | None" = None

    @property
    def unknowns(self):
        return self.unknown or TWO


class Followed(NamedTuple):
    """How far the truth is from the mean, in standard deviations: unknowns, one cell's mRNA and protein."""

    z: np.ndarray
    sd: np.ndarray


@njit
def by_events(k_m, gamma_m, k_p, gamma_p, interval, frames, cells, rng):
    """Every reaction of every cell: numbers of mRNA and protein ``(frames, cells, 2)``."""
    seen = np.zeros((frames, cells, 2))
    for cell in range(cells):
        m, p, now = 0, 0, 0.0
        for frame in range(frames):
            stop = (frame + 1) * interval
            while True:
                death, making = gamma_m * m, k_p * m
                total = k_m + death + making + gamma_p * p
                now += rng.exponential(1 / total)
                if now >= stop:
                    now = stop
                    break
                pick = rng.random() * total
                if pick < k_m:
                    m += 1
                elif pick < k_m + death:
                    m -= 1
                elif pick < k_m + death + making:
                    p += 1
                else:
                    p -= 1
            seen[frame, cell, 0], seen[frame, cell, 1] = m, p
    return seen


class Twin:
    """A truth from the prior, and what the filter makes of its movie with the dishes."""

    def __init__(self, setting, seed):
        rng, self.setting, self.seed = np.random.default_rng(seed), setting, seed
        unknowns = setting.unknowns
        coordinates = {name: Coordinate(PARAMETERS[name]) for name in unknowns}
        self.u = np.array([
            float(coordinates[name].forward(np.asarray(one.centre))) + one.sd * rng.standard_normal()
            for name, one in unknowns.items()
        ])  # fmt: skip
        drawn = {
            name: float(c.backward(np.asarray(u)))
            for (name, c), u in zip(coordinates.items(), self.u, strict=True)
        }
        self.truth = {**KNOWN, **drawn}
        self.size = rng.lognormal(0.0, 0.3, len(setting.dishes) * setting.sequenced)
        rates = (self.truth[p.name] for p in fusion.RATES)
        self.path = by_events(*rates, setting.interval, setting.frames, setting.cells, rng)
        times = setting.interval * np.arange(1, setting.frames + 1)
        light = self.truth["gain"] * np.exp(-self.truth["bleaching"] * times)[:, None] * self.path[:, :, 1]
        none = np.zeros(setting.cells)
        self.movie = [
            Observation(t, "microscope", "intensity", CAMERA.sample(100.0 + row, none, {}, rng))
            for t, row in zip(times, light, strict=True)
        ]
        self.dishes = {
            frame: self._dish(number, times[frame], rng) for number, frame in enumerate(setting.dishes)
        }
        self.fused = self.followed()

    def _dish(self, number, time, rng):
        """Counts of other cells: Poisson mRNA, at the level of their dish, of which little is captured."""
        count = self.setting.sequenced
        here = slice(number * count, (number + 1) * count)
        k_m = self.truth["transcription_rate"] * np.exp(DISH_SD * rng.standard_normal())
        decay = self.truth["mrna_decay"]
        mrna = rng.poisson(k_m / decay * -np.expm1(-decay * time), count)
        chance = self.truth["capture"] * self.size[here]
        chance = chance * rng.gamma(1 / OVERDISPERSION, OVERDISPERSION, count)
        umi = np.full(self.size.size, np.nan)
        umi[here] = rng.binomial(mrna, np.minimum(chance, 1.0))
        return Observation(time, "sequencer", "umi", umi)

    @property
    def sd_of_dishes(self):
        """What the dishes alone say of the logarithm of the rate, by the information of their counts."""
        total = 0.0
        for number, frame in enumerate(self.setting.dishes):
            here = slice(number * self.setting.sequenced, (number + 1) * self.setting.sequenced)
            decay, time = self.truth["mrna_decay"], self.setting.interval * (frame + 1)
            mean = self.truth["transcription_rate"] / decay * -np.expm1(-decay * time)
            expected = self.truth["capture"] * self.size[here] * mean
            told = (expected / (1 + OVERDISPERSION * expected)).sum()
            total += 1 / (DISH_SD**2 + 1 / told)
        return total**-0.5

    def followed(self, with_dishes=True):
        """Filter the movie, with the dishes or without."""
        plain = fusion.space(np.arange(self.setting.cells), size_factor=self.size, dish_sd=DISH_SD)
        laws = {"microscope": CAMERA, "sequencer": NegativeBinomial(OVERDISPERSION)}
        space = plain.with_laws(laws)
        rest = {name: value for name, value in KNOWN.items() if name not in self.setting.unknowns}
        now = start(GaussianSum(self.setting.nodes), augment(space, self.setting.unknowns), rest, self.seed)
        for frame, row in enumerate(self.movie):
            dish = [self.dishes[frame]] if with_dishes and frame in self.dishes else []
            now, _ = now.update(row, *dish)
        mean, sd, k = now.state.mean, np.sqrt(np.diag(now.state.cov)), len(self.u)
        first = [variable.name for variable in plain.dynamics.state].index("mrna")  # scalars before it
        of_cell = [first, first + self.setting.cells]
        z = np.concatenate([(self.u - mean[-k:]) / sd[-k:], (self.path[-1, 0] - mean[of_cell]) / sd[of_cell]])
        return Followed(z, sd[-k:])
