"""Times DAPPER's DEnKF on Lorenz-96, a block of cycles per line of input; run by `bench_lorenz96.py`."""

import json
import sys
import time
import warnings

warnings.simplefilter("ignore")
import numpy as np  # noqa: E402
from dapper.da_methods.ensemble import EnKF, EnKF_analysis, post_process  # noqa: E402
from dapper.mods.Lorenz96.sakov2008 import HMM  # noqa: E402
from dapper.tools import progressbar  # noqa: E402
from dapper.tools.seeding import set_seed  # noqa: E402

progressbar.disable_progbar = True


class Record:
    """What DAPPER's analysis writes its gain trace into."""

    def __init__(self, cycles):
        self.trHK = np.zeros(cycles + 1)


def whole(truth, readings, cycles):
    """The filter as a user runs it, with its statistics."""
    experiment = EnKF("DEnKF", N=40, infl=1.01)
    begin = time.thread_time()
    experiment.assimilate(HMM, truth, readings)
    seconds = time.thread_time() - begin
    experiment.stats.average_in_time()
    return seconds / cycles, float(experiment.avrgs.err.rms.a.val)


def bare(readings, cycles):
    """Forecast, analysis and inflation alone."""
    members, record = HMM.X0.sample(40), Record(cycles)
    begin = time.thread_time()
    for cycle in range(cycles):
        members = HMM.Dyn(members, cycle * 0.05, 0.05)
        noise, predicted = HMM.Obs(cycle).noise, HMM.Obs(cycle)(members)
        members = EnKF_analysis(members, predicted, noise, readings[cycle], "DEnKF", record, cycle)
        members = post_process(members, 1.01, False)
    return (time.thread_time() - begin) / cycles


def main():
    for block, line in enumerate(sys.stdin):
        cycles = int(line)
        HMM.tseq.Ko = cycles - 1
        set_seed(3000 + block)
        truth, readings = HMM.simulate()
        seconds, error = whole(truth, readings, cycles)
        print(
            "RESULT", json.dumps({"run": seconds, "bare": bare(readings, cycles), "rmse": error}), flush=True
        )


if __name__ == "__main__":
    main()
