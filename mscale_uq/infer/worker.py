"""The process of one chain: talks to its parent, and does not outlive it."""

import fcntl
import os
import signal
import sys
import threading
import time
import traceback
from copy import copy
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import final

import numpy as np

from mscale_uq.infer.chain import run_chain

REPORT_INTERVAL = 0.2  # seconds between two messages


@final
class ModelError(Exception):
    """Stands for an exception that cannot be sent from one process to another."""


def main(connection: Connection, variables: dict[str, str]) -> None:
    """Receive a job, run it, and send ("draw", ...) now and then, ("done",) or ("error", ...) at the end."""
    attach(variables)  # an interrupt goes to the parent as well, which asks chains to stop at a draw
    try:
        run_chain(connection.recv(), Reporter(connection))
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        connection.send(("error", _portable(error), "".join(traceback.format_exception(error))))
    else:
        connection.send(("done",))


def attach(variables: dict[str, str]) -> None:
    """Take over the parent's environment variables, leave interrupts to it, and end with it.

    A thread sees the parent's end on every system, but not while a solver holds the interpreter; where the
    kernel (Linux) can end a process for it, no solver delays that.
    """
    os.environ.clear()
    os.environ.update(variables)
    np.random.seed()  # noqa: NPY002 - else forks would share what a user's model may draw from it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        # The pipe that the parent's end closes tells it by SIGIO, whose default is to end the process.
        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, os.O_ASYNC | fcntl.fcntl(parent.sentinel, fcntl.F_GETFL))
    # Also if it has ended before those calls.
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


@final
class Reporter:
    """Sends a chain's progress, and hears whether to go on; both at most a few times a second."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = 0.0

    def __call__(self, draw: int, tuning: bool, stats: dict[str, float]) -> bool:
        """Tell the parent; return whether to go on."""
        now = time.monotonic()
        if now - self._last < REPORT_INTERVAL:
            return True
        self._last = now
        self._connection.send(("draw", draw, tuning, stats))
        return not self._connection.poll()


def _follow(sentinel: int) -> None:
    """End this process when its parent has, however it ended; the checkpoint is a second old at most."""
    wait([sentinel])
    os._exit(1)


def _portable(error: Exception) -> Exception:
    """Return an exception that survives the journey, bare of what PyTensor hangs on it."""
    for name in [name for name in vars(error) if name.startswith("__")]:
        delattr(error, name)
    try:
        ForkingPickler.dumps(error)
        copy(error)  # makes it anew from its arguments, as the parent will have to
    except Exception:  # noqa: BLE001 - whatever an exception class does with its own arguments
        return ModelError(f"{type(error).__name__}: {error}")
    return error
