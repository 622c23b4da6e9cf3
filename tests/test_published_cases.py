"""Cases named after a publication err by what it says, over a stream long enough to tell."""

import numpy as np
import pytest

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.run.assimilate import take_in


def long_twin(planned, interval, sd, cycles):
    """A path ``(cycles, n)`` of a case's model from a draw of its start, and readings of all of the state."""
    space, rng = planned.space, np.random.default_rng(7)
    values = space.prepare(planned.theta)
    mean, cov = space.initial(values)
    path, now = [], mean + np.sqrt(np.diag(cov)) * rng.standard_normal(mean.size)
    for _ in range(cycles):
        now = space.step(now[None], 0.0, interval, values, rng)[0]
        path.append(now)
    return np.array(path), np.array(path) + sd * rng.standard_normal((cycles, mean.size))


def wide(times, readings):
    rows = [f"{t!r}," + ",".join(map(repr, row)) for t, row in zip(times, readings.tolist(), strict=True)]
    return "\n".join(["time [1],x [1],y [1],z [1]", *rows])


def long(times, readings):
    pairs = zip(times, readings.tolist(), strict=True)
    rows = [f"{t!r},{i},{y!r}" for t, row in pairs for i, y in enumerate(row)]
    return "\n".join(["time [1],site [1],reading [1]", *rows])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "interval", "sd", "cycles", "table", "published", "within"),
    [
        # A thousand cycles of the first scatter by 5 to 15 %, five hundred of the second by 0.012.
        ("lorenz63_sakov2012", 0.25, np.sqrt(2), 1000, wide, 0.60, 0.09),
        ("lorenz96_sakov2008", 0.05, 1.0, 500, long, 0.18, 0.025),
    ],
)
def test_a_shipped_case_errs_as_published(name, interval, sd, cycles, table, published, within, tmp_path):
    text = find_case(name).read_text(encoding="utf-8")
    path, readings = long_twin(read_case(find_case(name)).assimilating, interval, sd, cycles)
    (tmp_path / "twin.csv").write_text(table((interval * np.arange(1, cycles + 1)).tolist(), readings))
    data = next(line for line in text.splitlines() if line.startswith("data = "))
    (tmp_path / "twin.toml").write_text(text.replace(data, 'data = "twin.csv"'))
    result = take_in(read_case(tmp_path / "twin.toml"))
    error = result.readings["filtered"].to_numpy().reshape(path.shape) - path
    found = np.sqrt((error[cycles // 10 :] ** 2).mean(axis=1)).mean()
    print(name, found, "table", published)
    assert found == pytest.approx(published, abs=within)
