"""A second of the pacemaker cell of Severi et al. (2012), about three beats, read ten times."""

import time

import numpy as np
from mscale_uq.models.physiology._beat import KNOWN_STATE, NO_DRUG, SECTION
from mscale_uq.models.physiology._severi2012 import SCALES

START = KNOWN_STATE
PARAMETERS = np.array([*np.ones(len(SCALES)), *NO_DRUG, SECTION])
STOPS = 0.1 * np.arange(1, 11)
RELATIVE = 10.0 ** -np.arange(3.0, 8.5, 0.5)  # tolerances that every program is run at
ABSOLUTE = 1e-3  # of the relative one


def timed(program):
    """Run ``program(relative) -> states (10, 30)`` at every tolerance: seconds of thread time, and states."""
    made = []
    for relative in RELATIVE:
        begin = time.thread_time()
        states = program(relative)
        made.append((time.thread_time() - begin, np.asarray(states).tolist()))
    return made
