"""How far a stream of several senders has got: each has its own watermark, a slow one holds up nobody."""

import json

import numpy as np
import pytest
from streams import followed, records, told

from mscale_uq.errors import DataError, InputError
from mscale_uq.stream.policy import Policy
from mscale_uq.stream.status import status_of
from mscale_uq.stream.view import View
from mscale_uq.stream.watermark import Watermark


def reached(policy, *seen):
    mark = Watermark(policy)
    for sender, time in seen:
        mark.see(sender, time)
    return mark.reached


def test_of_one_sender_it_is_the_newest_record_less_the_window():
    assert reached(Policy(window=2.0), ("a", 1.0), ("a", 7.0), ("a", 4.0)) == 5.0


def test_a_sender_that_keeps_up_is_waited_for_and_one_that_does_not_is_not():
    policy = Policy(window=2.0)
    assert reached(policy, ("a", 10.0), ("b", 8.5)) == 8.0  # what has been reached is not taken back
    assert reached(policy, ("b", 8.5), ("a", 10.0)) == 6.5
    assert reached(policy, ("b", 7.9), ("a", 10.0)) == 8.0
    assert reached(policy, ("b", 1.0), *(("a", t) for t in range(2, 50))) == 47.0


def test_a_sender_with_a_wide_window_is_given_its_own_time():
    policy = Policy(window=0.0, windows={"slow": 5.0})
    assert reached(policy, ("slow", 6.0), ("quick", 10.0)) == 1.0
    assert reached(policy, ("slow", 4.9), ("quick", 10.0)) == 10.0
    assert reached(policy, ("quick", 10.0), ("slow", 12.0)) == 10.0


def test_it_never_goes_back_and_lies_between_the_newest_record_less_one_window_and_less_two():
    rng, policy = np.random.default_rng(2), Policy(window=1.5)
    mark, clocks, before = Watermark(policy), rng.uniform(0, 3, 4), -np.inf
    for _ in range(500):
        sender = int(rng.integers(4))
        clocks[sender] += rng.exponential(0.3)
        mark.see(str(sender), float(clocks[sender] - rng.uniform(0, 1.5)))
        assert mark.reached >= before
        assert mark.latest - 3.0 <= mark.reached <= mark.latest - 1.5
        before = mark.reached


def pair(lag, count=30):
    """Records of two senders, each in order by itself; they begin together, then one is `lag` behind."""
    ahead = records(count)
    behind = [{**one, "source": "other", "value": one["value"] + 1} for one in records(count, seed=9)]
    rows = [(k, one) for k, one in enumerate(ahead)] + [
        (k + (lag if k else 0) + 0.5, one) for k, one in enumerate(behind)
    ]
    return [one for _, one in sorted(rows, key=lambda row: row[0])]


def test_senders_in_order_by_themselves_are_not_late_inside_their_windows(tmp_path):
    items = pair(lag=3)  # 1.5 behind
    followed(tmp_path / "error", items, late="error", window=2.0)
    followed(tmp_path / "one", items, late="error", windows={"other": 2.0})
    with pytest.raises(DataError, match=r"record other:1 of time 1 is late"):
        followed(tmp_path / "none", items, late="error", window=0.0)


def test_a_slow_sender_is_dropped_alone_and_batches_and_restarts_do_not_matter(tmp_path):
    items = pair(lag=10)  # 5 behind, far more than the window
    followed(tmp_path / "whole", items, late="drop", window=1.0)
    for first in range(0, len(items), 7):
        followed(tmp_path / "cut", items[first : first + 7], late="drop", window=1.0)
    for name in ("whole", "cut"):
        with View(tmp_path / name) as view:
            steps = [change.row["records"] for change in view.steps()]
            newest = view.fact("watermark")["newest"]
        assert {f"scope:{k}" for k in range(30)} <= {name for step in steps for name in step}
        assert newest["scope"] == 15.0
    assert [json.loads(row[2]) for row in told(tmp_path / "cut")] == [
        json.loads(row[2]) for row in told(tmp_path / "whole")
    ]


def test_an_impossible_window_of_one_sender_is_refused():
    with pytest.raises(InputError, match="window 0, -1"):
        Policy(windows={"a": -1.0})


def test_the_status_says_how_far_each_sender_is(tmp_path):
    followed(tmp_path, pair(lag=10, count=20)[:-10], window=1.0)
    assert status_of(tmp_path).senders == {"scope": 10.0, "other": 5.0}
