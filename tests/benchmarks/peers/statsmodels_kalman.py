"""Times statsmodels' Kalman filter, one pass per line of input; run by `bench_filters.py`."""

import json
import sys
import time

from kalman_problem import SIZES, problem, start
from statsmodels.tsa.statespace.kalman_filter import KalmanFilter


def model(name):
    F, Q, H, R, y = problem(name)
    m, n = H.shape
    # tolerance 0: the covariance is computed at every time, as in the other programs
    made = KalmanFilter(k_endog=m, k_states=n, k_posdef=n, tolerance=0)
    made.bind(y.T.copy(order="F"))
    made["design"], made["obs_cov"], made["transition"], made["state_cov"] = H, R, F, Q
    made["selection"] = Q / 0.1
    made.initialize_known(*start(F, Q))
    return made


def main():
    models = {name: model(name) for name in SIZES}
    for _ in sys.stdin:
        result = {}
        for name, made in models.items():
            begin = time.thread_time()
            log = made.loglike()
            result[name] = [(time.thread_time() - begin) / SIZES[name][2], float(log)]
        print("RESULT", json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
