"""Readings of one time from different places are one vector, with the noise and the marks of each."""

import numpy as np
import pytest

from mscale_uq.core.observation import Observation
from mscale_uq.errors import DataError
from mscale_uq.filters.records import Verdict
from mscale_uq.stream.message import parse
from mscale_uq.stream.readings import in_order, merged
from mscale_uq.stream.records import as_message

NAN = np.nan


def at(*value, **given):
    return Observation(1.0, "plate", "temperature", value, **given)


def test_readings_at_different_places_become_one_vector():
    (one,) = merged([at(1.0, NAN, NAN), at(NAN, NAN, 3.0), at(NAN, 2.0, NAN)])
    assert np.array_equal(one.value, [1.0, 2.0, 3.0])
    (one,) = merged([at(1.0, NAN, noise=[0.1, 1.0]), at(NAN, 2.0, noise=0.2)])
    assert np.array_equal(one.noise, [0.1, 0.2])


def test_a_second_reading_of_a_place_and_another_form_of_noise_stay_apart():
    assert len(merged([at(1.0, NAN), at(1.1, NAN)])) == 2
    assert len(merged([at(1.0, NAN), at(NAN, 2.0, noise=0.1)])) == 2
    assert len(merged([at(1.0, NAN), at(NAN, 2.0, noise=np.eye(2))])) == 2
    assert len(merged([at(1.0), Observation(1.0, "other", "temperature", [NAN])])) == 2


def test_a_mark_stays_with_its_reading():
    (one,) = merged([at(1.0, NAN, mark=Verdict.CENSORED), at(NAN, 2.0)])
    assert list(one.mark) == [Verdict.CENSORED, 0]
    (one,) = merged([at(1.0, NAN), at(NAN, 2.0)])
    assert one.mark is None


@pytest.mark.parametrize("seed", range(3))
def test_the_order_in_which_readings_of_one_time_came_is_forgotten(seed):
    lines = [
        f'{{"source": "{source}", "seq": {seq}, "type": "plate", "event_time": 1, "value": {seq}}}'
        for source in ("a", "b")
        for seq in (2, 10, 1)
    ]
    ordered = [m.text for m in in_order(parse(line) for line in lines)]
    shuffled = np.random.default_rng(seed).permutation(lines)
    assert [m.text for m in in_order(parse(str(line)) for line in shuffled)] == ordered


def test_marks_are_not_lost_without_a_word():
    with pytest.raises(DataError, match="an observation with marks"):
        as_message(at(1.0, mark=Verdict.EVALUATED))


def test_an_observation_keeps_its_identity():
    assert as_message(at(1.0, record="17")).name == as_message(at(2.0, record="17")).name
    assert as_message(at(1.0, record="a")).name != as_message(at(1.0, record="b")).name
