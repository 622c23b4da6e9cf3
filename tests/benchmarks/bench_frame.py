"""A frame of tracked cells that share unknown parameters: `python bench_frame.py`.

The bank of `filters.shared` (forecast and analysis, with what a frame says of the shared unknowns) beside the
extended Kalman filter of the joint state, which is the same filter; both in one run, in turn. A figure is the
median of the processor time of a frame, after twenty to warm up. Goal: 1000 cells in less than 5 ms.
"""

import os
import sys
import time
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[threads] = "1"

import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "systems"))
from tracked_cells import KNOWN, UNKNOWN, readings, space  # noqa: E402

from mscale_uq.core.observation import Observation  # noqa: E402
from mscale_uq.filters.augment import augment  # noqa: E402
from mscale_uq.filters.extended import ExtendedKalman  # noqa: E402
from mscale_uq.filters.loop import start  # noqa: E402
from mscale_uq.filters.shared import SharedBank  # noqa: E402
from mscale_uq.observe.fluorescence import Fluorescence  # noqa: E402

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


if __name__ == "__main__":
    main()
