"""A frame of tracked cells that share unknown parameters: `python bench_frame.py`.

The bank of `filters.shared` (forecast and analysis, with what a frame says of the shared unknowns) beside the
extended Kalman filter of the joint state, which is the same filter; both in one run, in turn. A figure is the
median of the processor time of a frame, after twenty to warm up. Goal: 1000 cells in less than 5 ms.

Then the Gaussian sum that the case `cell_state_fusion` ships, with the four unknowns that a movie tells of,
beside the same with the state as one block: what twelve frames take, new nodes and all, the median frame of
them, and the least, a frame without new nodes.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import one_thread  # noqa: F401

# isort: split

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "systems"))
from bench_twins import PRIOR
from one_block import OneBlock
from tracked_cells import KNOWN, UNKNOWN, readings, space
from twins import CAMERA as SCOPE
from twins import KNOWN as TRUTH
from twins import by_events, fusion

from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augment import augment
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.loop import start
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.filters.shared import SharedBank
from mscale_uq.observe.fluorescence import Fluorescence

CAMERA = Fluorescence(20.0, shot=0.5, relative=0.03, background=100.0)
FRAMES, JOINT = 60, 30


def bank(cells):
    """Processor time of each frame of the bank."""
    filter, data, times = SharedBank(space(1, CAMERA), UNKNOWN), readings(cells, FRAMES), []
    state = filter.init(KNOWN, cells)
    for frame, row in enumerate(data, start=1):
        begin = time.thread_time()
        state, _ = filter.analyse(KNOWN, filter.forecast(KNOWN, state, 5.0 * frame), "camera", row)
        times.append(time.thread_time() - begin)
    return times, state.mean


def joint(cells):
    """Processor time of each frame of the joint state."""
    whole = augment(space(cells, CAMERA), UNKNOWN)
    now = start(ExtendedKalman(), whole, {name: KNOWN[name] for name in ("gamma_m", "k_p", "gamma_p")})
    times = []
    for frame, row in enumerate(readings(cells, FRAMES), start=1):
        begin = time.thread_time()
        now, _ = now.update(Observation(5.0 * frame, "camera", "light", row))
        times.append(time.thread_time() - begin)
    return times, now.state.mean[2 * cells :]


def sum_of_normals(cells, frames, as_one=False):
    """Processor time of each frame of a Gaussian sum, and its mean."""
    rng, none = np.random.default_rng(1), np.zeros(cells)
    plain = fusion.space(np.arange(cells))
    seen = {name: replace(one, law=SCOPE) for name, one in plain.observations.items()}
    dynamics = OneBlock(plain.dynamics) if as_one else plain.dynamics
    whole = StateSpace(plain.stages, dynamics, seen, plain.parameters, plain.constants)
    unknown = {name: one for name, one in PRIOR.items() if name != "capture"}
    rest = {name: value for name, value in TRUTH.items() if name not in (*unknown, "capture")}
    now, times = start(GaussianSum(256), augment(whole, unknown), rest), []
    path = by_events(*(TRUTH[p.name] for p in fusion.RATES), 15.0, frames, cells, rng)
    for frame, row in enumerate(100.0 + TRUTH["gain"] * path[:, :, 1], start=1):
        reading = Observation(15.0 * frame, "microscope", "intensity", SCOPE.sample(row, none, {}, rng))
        begin = time.thread_time()
        now, _ = now.update(reading)
        times.append(time.thread_time() - begin)
    return times, now.state.mean


def main():
    """Print the table."""
    for cells in (JOINT, 1000):
        times, mean = bank(cells)
        print(f"bank, {cells:4d} cells: {1e3 * np.median(times[20:]):7.2f} ms a frame")
        if cells == JOINT:
            slow, same = joint(cells)
            assert np.allclose(mean, same, rtol=1e-8)
            ratio = np.median(slow[20:]) / np.median(times[20:])
            print(
                f"joint state, {cells} cells: {1e3 * np.median(slow[20:]):7.2f} ms a frame, {ratio:.1f} times"
            )
    sum_of_normals(2, 2)  # compiles
    (times, mean), (slow, same) = (sum_of_normals(JOINT, 12, as_one) for as_one in (False, True))
    assert np.allclose(mean, same, rtol=1e-6)
    ratio = np.sum(slow) / np.sum(times)
    print(f"Gaussian sum, {JOINT} cells: {sum(times):.2f} s for 12 frames; as one block {ratio:.1f} times")
    for cells in (300, 1000):
        times, _ = sum_of_normals(cells, 12)
        least, usual = 1e3 * np.min(times), 1e3 * np.median(times)
        told = f"{usual:.0f} ms a frame, least {least:.0f}, {sum(times):.1f} s for 12"
        print(f"Gaussian sum, {cells} cells: {told}")


if __name__ == "__main__":
    main()
