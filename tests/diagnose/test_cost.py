"""Processor time of two calls, one beside the other."""

import numpy as np

from mscale_uq.diagnose.cost import cost


def busy(size):
    return np.linalg.svd(np.ones((size, size)) + np.eye(size))


def test_a_call_that_does_the_work_three_times_costs_about_three_times_as_much():
    found = cost(lambda: busy(60), lambda: [busy(60) for _ in range(3)], budget=0.3)
    assert 2.0 < found.ratio < 4.5
    assert found.value > 0


def test_however_small_the_budget_a_median_is_taken():
    calls = []
    cost(lambda: calls.append("value"), lambda: calls.append("gradient"), budget=0.0)
    assert calls.count("value") == calls.count("gradient") >= 4
