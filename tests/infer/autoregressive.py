"""Readings of an autoregressive process through white noise, one after the other: no matrix, no kernel."""

import numpy as np


def autoregressive(errors, levels, apart):
    """Log-density of such readings; `levels` are the sd of the noise, the sd of the process and its memory.

    What is known of the process before a reading is normal: (mean, variance). `apart` are the steps between.
    """
    noise, missed, memory = levels
    total, mean, variance = 0.0, 0.0 * missed, missed**2
    for position, error in enumerate(errors):
        if position:
            kept = np.exp(-apart[position - 1] / memory)
            mean, variance = kept * mean, kept**2 * variance + missed**2 * (1 - kept**2)
        if np.isnan(error.real):
            continue
        spread = variance + noise**2
        total = total - 0.5 * np.log(2 * np.pi * spread) - 0.5 * (error - mean) ** 2 / spread
        gain = variance / spread
        mean, variance = mean + gain * (error - mean), (1 - gain) * variance
    return total


def drawn(rng, levels, times):
    """Such readings at `times`."""
    noise, missed, memory = levels
    error, state = np.zeros(len(times)), missed * rng.standard_normal()
    for position in range(len(times)):
        if position:
            kept = np.exp(-(times[position] - times[position - 1]) / memory)
            state = kept * state + missed * np.sqrt(1 - kept**2) * rng.standard_normal()
        error[position] = state + noise * rng.standard_normal()
    return error
