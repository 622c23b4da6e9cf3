"""Options reach the functions of a system by name or place, checked, and with the declared defaults."""

import pickle
from functools import partial
from inspect import signature

import numpy as np
import pytest

from mscale_uq.core.options import takes
from mscale_uq.core.system import Option
from mscale_uq.errors import ParameterError

OPTIONS = (
    Option("law", "linear", choices=("linear", "softening")),
    Option("width", 0.5, "m", lower=0),
    Option("image", "", image=True),
)


@takes(OPTIONS)
def forward(o, x=(1.0, 2.0), *, sd=0.1):
    """Return what it was given."""
    return x, sd, o


def test_what_is_not_given_is_the_declared_default():
    x, sd, o = forward()
    assert (x, sd, o.law, o.width, o.image) == ((1.0, 2.0), 0.1, "linear", 0.5, "")


def test_options_follow_the_coordinates_by_place_and_go_by_name():
    by_place, by_name = forward([3.0], "softening", 2.0), forward([3.0], width=2.0, law="softening")
    assert by_place == by_name
    assert by_place[2].law == "softening"


def test_the_signature_says_coordinates_options_and_the_rest_also_through_a_partial():
    said = {name: argument.default for name, argument in signature(forward).parameters.items()}
    assert said == {"x": (1.0, 2.0), "law": "linear", "width": 0.5, "image": "", "sd": 0.1}
    assert signature(partial(forward, width=3.0)).parameters["width"].default == 3.0
    assert forward.__doc__ == "Return what it was given."


def test_an_option_comes_in_its_own_type_and_a_picture_as_it_is():
    picture = np.eye(2)
    chosen = forward(width=np.int64(2), image=picture)[2]
    assert isinstance(chosen.width, float)
    assert chosen.image is picture


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"law": "linaer"}, r"option law = 'linaer' \(did you mean 'linear'\?\); allowed: 'linear' or "),
        ({"width": 0}, r"option width = 0\.0; allowed: a number inside \(0, inf\)"),
        ({"width": "wide"}, "option width = 'wide'; allowed: a number"),
    ],
)
def test_an_impossible_option_is_refused(given, said):
    with pytest.raises(ParameterError, match=said):
        forward(**given)


def test_an_unknown_name_is_refused_with_those_that_are_known():
    known = r"forward knows no 'widht' \(did you mean 'width'\?\); allowed: x, law, width, image, sd"
    with pytest.raises(ParameterError, match=known):
        forward(widht=1.0)


def test_what_is_chosen_stays_also_in_another_process():
    chosen = pickle.loads(pickle.dumps(forward(width=3.0)[2]))
    assert chosen == forward(width=3.0)[2]
    with pytest.raises(AttributeError, match="option width is chosen"):
        chosen.width = 4.0
