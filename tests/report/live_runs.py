"""Runs for the live page: two compartments with a probe and rare dishes, one parameter learned."""

import threading
import time
from contextlib import contextmanager
from urllib.parse import quote

import numpy as np
from mscale_uq.models.reference import linear_gaussian

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.loop import start
from mscale_uq.observe.laws import Gaussian
from mscale_uq.report.live.app import live_app
from mscale_uq.report.live.guard import LOOPBACK
from mscale_uq.stream.follower import Follower
from mscale_uq.stream.journal import Journal
from mscale_uq.stream.policy import Policy
from mscale_uq.stream.readings import AsItIs
from mscale_uq.stream.records import Objects

TOKEN = "a token & its letters"
HOST = "127.0.0.1"
BLUE, INK, ORANGE, PURPLE = [31, 95, 139], [17, 17, 17], [200, 80, 30], [122, 79, 163]
FACTS = {
    "question": "What did the dishes add?",
    "time": ["time", "h"],
    "sources": {
        "probe": {"name": "amount", "unit": "mg", "meaning": "read by the probe"},
        "dish": {"name": "counts", "unit": "mg", "meaning": "read in a dish", "snapshot": True},
    },
    "learned": {"inflow": {"name": "inflow", "unit": "mg/h", "meaning": "rate", "expected": 2.0}},
    "state": [["x", "mg"], ["y", "mg"]],
}


def space():
    plain = linear_gaussian.space(noise=0.02, start_sd=1.0)
    second = LinearReading("counts", linear_gaussian.STATE, _second, shape=())
    sources = {**plain.observations, "dish": ObservationOperator("counts", Gaussian(sd=0.15), second)}
    both = StateSpace([], plain.dynamics, sources, plain.parameters, plain.constants)
    return augment(both, {"inflow": Unknown(1.0, 1.0)})


def _second():
    return np.array([[0.0, 1.0]]), np.zeros(1)


def begin():
    return start(ExtendedKalman(outlier_sd=5.0), space(), {"x_initial": 5.0, "y_initial": 1.0})


def readings(first, last):
    """Return readings of the probe; the eleventh is far off."""
    draws = np.random.default_rng(7).normal(4, 0.5, size=200)
    return [
        Observation(0.5 * (i + 1), "probe", "amount", 60.0 if i == 10 else draws[i])
        for i in range(first, last)
    ]


def dish(time, value=9.0):
    return Observation(time, "dish", "counts", value)


class Run:
    """A run that the test itself feeds."""

    def __init__(self, folder, facts=None, policy=Policy()):  # noqa: B008 - frozen
        folder.mkdir(exist_ok=True)
        self.folder, self.journal, first = folder, Journal(folder), begin()
        self.follower = Follower(
            self.journal, first, AsItIs(first.space, first.values), policy, {"case": "a"}
        )
        with self.journal.transaction():
            self.journal.put_fact("facts", facts or FACTS)

    def take(self, *items):
        """Take in what is due by now; the rest waits for others to come before it."""
        source = Objects(items, "test")
        while deliveries := source.read(0):
            self.follower.take("test", deliveries)

    def feed(self, *items):
        self.take(*items)
        self.follower.settle()


@contextmanager
def served(folder, port=0, token=TOKEN, follows=lambda: True):
    """Serve a folder, and give the server's port."""
    import uvicorn

    servers = []
    app = live_app(folder, token, LOOPBACK, follows, ended=lambda: servers[0].should_exit)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    servers.append(server)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
            assert thread.is_alive()
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def address(port, token=TOKEN):
    return f"http://{HOST}:{port}/?token={quote(token)}"


def wait_for(page, expression):
    deadline = time.monotonic() + 30
    while not page.evaluate(expression):  # not `wait_for_function`: the page forbids text to become code
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def pixels(page, panel, colour):
    """Return how many pixels of a panel have nearly a colour."""
    return len(painted(page, panel, colour))


def painted(page, panel, colour):
    """Return row and column of the pixels of a panel that have nearly a solid colour."""
    return painted_at_once(page, panel, (colour, 255))[0]


def painted_at_once(page, panel, *inks):
    """Return what `painted` does for inks, each a colour and an alpha, as one drawing has them."""
    found = page.evaluate(
        """([panel, inks]) => {
            const canvas = mscale.panels[panel].canvas, pen = canvas.getContext("2d");
            const data = pen.getImageData(0, 0, canvas.width, canvas.height).data;
            return inks.map(([colour, alpha]) => {
                const like = (a) => alpha === 255 ? a > 200 : Math.abs(a - alpha) < 4, found = [];
                for (let i = 0; i < data.length; i += 4)
                    if (like(data[i + 3]) && colour.every((c, k) => Math.abs(data[i + k] - c) < 12))
                        found.push([Math.floor(i / 4 / canvas.width), i / 4 % canvas.width]);
                return found;
            });
        }""",
        [panel, inks],
    )
    return [np.array(one).reshape(-1, 2) for one in found]


def shrunk(readings, destroyed):
    """Return the deviations of x, y and inflow after a dish by those before it, by the filter alone."""
    now = begin()
    for one in readings:
        now = now.update(one)[0]
    before = now.predict_to(destroyed.time)
    after = before.update(destroyed)[0]
    return np.sqrt(np.diag(after.state.cov) / np.diag(before.state.cov))
