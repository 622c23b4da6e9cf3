import numpy as np
import pytest
from known_posteriors import bug, not_a_number, refuse, straight

from mscale_uq.infer.ledger import Failure, Ledger
from mscale_uq.infer.likelihood import REMEMBERED, Likelihood

INSIDE, OUTSIDE = np.array([0.5, 1.0]), np.array([2.0, 1.0])


def likelihood(gradient=True, **settings):
    return Likelihood(straight(1.0, **settings), Ledger(chain=3), gradient)


def test_where_the_model_has_an_answer_the_likelihood_is_the_posteriors():
    value, slope = likelihood()(INSIDE)
    wanted, wanted_slope = straight().log_likelihood_gradient(INSIDE)
    assert value == wanted
    assert slope == pytest.approx(wanted_slope, rel=1e-14)


@pytest.mark.parametrize("gradient", [True, False])
def test_a_failed_solve_has_zero_density_and_is_a_row_of_the_ledger(gradient):
    guarded = likelihood(gradient)
    guarded.ledger.draw = 7
    value, slope = guarded(OUTSIDE)
    assert value == -np.inf
    assert np.array_equal(slope, np.zeros(2))
    (row,) = guarded.ledger.take()
    assert row == Failure(3, 7, 1, "gate", "no convergence", (2.0, 1.0))


def test_an_infeasible_point_is_counted_and_no_fault():
    guarded = likelihood(what=refuse)
    assert guarded(OUTSIDE)[0] == -np.inf
    assert guarded.ledger.take() == []
    assert guarded.ledger.infeasible == {"gate": 1}


@pytest.mark.parametrize("gradient", [True, False])
def test_not_a_number_becomes_a_failed_solve(gradient):
    guarded = likelihood(gradient, what=not_a_number)
    assert guarded(OUTSIDE)[0] == -np.inf
    assert len(guarded.ledger.take()) == 1


@pytest.mark.parametrize(
    "answer", [(np.nan, np.zeros(2)), (np.inf, np.zeros(2)), (1.0, np.array([np.nan, 0.0]))]
)
def test_nothing_but_a_number_or_minus_infinity_reaches_a_sampler(answer, monkeypatch):
    guarded = likelihood()
    monkeypatch.setattr(guarded, "target", _Answer(answer))
    value, slope = guarded(INSIDE)
    assert value == -np.inf
    assert np.array_equal(slope, np.zeros(2))
    assert len(guarded.ledger.take()) == 1


class _Answer:
    def __init__(self, answer):
        self.answer = answer

    def log_likelihood_gradient(self, theta):
        return self.answer


def test_where_numbers_end_no_model_is_asked():
    guarded = likelihood(what=bug)
    assert guarded(np.array([np.inf, 1.0]))[0] == -np.inf
    assert guarded.ledger.infeasible == {"sampler": 1}


def test_a_bug_is_raised_and_kept_as_it_was():
    guarded = likelihood(what=bug)
    with pytest.raises(TypeError) as caught:
        guarded(OUTSIDE)
    assert guarded.error is caught.value


def test_the_latest_points_are_not_evaluated_again():
    guarded = likelihood()
    points = [np.array([0.01 * i, 1.0]) for i in range(REMEMBERED)]
    for point in [*points, *points]:
        guarded(point)
    assert guarded.ledger.requests == 2 * REMEMBERED
    assert guarded.ledger.evaluations == REMEMBERED


def test_a_point_that_is_asked_for_again_and_again_stays_remembered():
    guarded = likelihood()
    for i in range(5 * REMEMBERED):
        guarded(INSIDE)
        guarded(np.array([0.001 * i, 0.0]))
    assert guarded.ledger.evaluations == 5 * REMEMBERED + 1


def test_a_row_of_the_ledger_survives_being_written():
    row = Failure(1, -1, 12, "cell", "µ-solve: no “convergence”", (0.1, 1e-300, float("inf")))
    assert Failure.from_bytes(row.to_bytes()) == row
