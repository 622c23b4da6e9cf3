"""One number, read several times."""

import numpy as np
import pytest

from mscale_uq.errors import InputError
from mscale_uq.observe.repeats import Repeats


def test_every_reading_shows_the_same_number():
    assert Repeats(3, "D", "readings").value({"D": np.array(2.5)})["readings"].tolist() == [2.5, 2.5, 2.5]


def test_changes_are_repeated_and_sensitivities_add_up():
    linear = Repeats(3, "D", "readings").linearize({"D": np.array(2.5)})[1]
    assert linear.jvp({"D": np.array(0.5)})["readings"].tolist() == [0.5, 0.5, 0.5]
    assert linear.vjp({"readings": np.array([1.0, 2.0, 4.0])})["D"] == 7.0


def test_no_reading_is_refused():
    with pytest.raises(InputError, match="at least one"):
        Repeats(0, "D", "readings")
