"""Parts of a state that do not hang together are filtered one by one, with the result of the whole."""

from dataclasses import replace

import numpy as np
import pytest
from mscale_uq.models.cells import cell_state_fusion as fusion
from one_block import OneBlock
from tracked_cells import GAIN, KNOWN, RATES, population, readings
from twins import CAMERA, by_events
from twins import KNOWN as TRUTH

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters import node_update
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.laplace import LaplaceKalman
from mscale_uq.filters.loop import run
from mscale_uq.filters.node_sum import GaussianSum
from mscale_uq.macro.cells import FollowedCells
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.macro.side_by_side import SideBySide
from mscale_uq.observe.counts import NegativeBinomial
from mscale_uq.observe.laws import Gaussian
from mscale_uq.run.assimilate import take_in
from mscale_uq.solve.node_blocks import SMALL, newton, roots, told

UNKNOWNS = {"transcription_rate": Unknown(2.0, 0.4), "gain": Unknown(1.5, 0.3), "capture": Unknown(0.1, 0.1)}
REST = {name: value for name, value in TRUTH.items() if name not in UNKNOWNS}
CELLS = 4


def naive(space):
    """The same state space, whose dynamics are one block."""
    dynamics = OneBlock(space.dynamics)
    return StateSpace(space.stages, dynamics, space.observations, space.parameters, space.constants)


def culture(cells=CELLS, sizes=(0.8, 1.3, 1.0), camera=CAMERA):
    """The state space of the case, with the laws of its case."""
    plain = fusion.space(np.arange(cells), size_factor=np.array(sizes))
    laws = {"microscope": camera, "sequencer": NegativeBinomial(0.05)}
    return plain.with_laws(laws)


def stream(cells=CELLS):
    """Frames with a cell that was not found, another that is only compared, and a dish of three cells."""
    made = []
    for t, row in enumerate(readings(cells, 5, seed=2), start=1):
        made.append(Observation(20.0 * t, "microscope", "intensity", row))
    made[2] = replace(made[2], mark=np.array([0, 1, *[0] * (cells - 2)]))
    return [*made[:3], Observation(60.0, "sequencer", "umi", np.array([1.0, np.nan, 2.0])), *made[3:]]


@pytest.fixture(autouse=True)
def _to_the_top(monkeypatch):
    """The search for the most probable state goes on until only rounding is left to compare."""
    monkeypatch.setattr(node_update, "TOLERANCE", 1e-17)


def followed(space, data, unknowns=UNKNOWNS, rest=REST, size=64):
    return list(run(GaussianSum(size), augment(space, unknowns), rest, data, key=1))


def assert_same(blocks, dense):
    """States and records agree to rounding."""
    for (one, told_one), (other, told_other) in zip(blocks, dense, strict=True):
        assert one.points == pytest.approx(other.points, rel=1e-9, abs=1e-9)  # logarithms and logits
        assert one.log_mass == pytest.approx(other.log_mass, rel=1e-9, abs=1e-7)
        scale = np.sqrt(np.diag(other.cov)) + 1e-5
        assert np.all(np.abs(one.mean - other.mean) < 1e-7 * scale)
        assert np.all(np.abs(one.cov - other.cov) < 1e-7 * np.outer(scale, scale))
        assert np.sqrt(one.variances) == pytest.approx(np.sqrt(np.diag(other.cov)), rel=1e-7, abs=1e-9)
        assert told_one.log_evidence == pytest.approx(told_other.log_evidence, abs=1e-7)
        assert told_one.innovation == pytest.approx(told_other.innovation, rel=1e-7, abs=1e-7, nan_ok=True)
        assert told_one.innovation_cov == pytest.approx(told_other.innovation_cov, rel=1e-7, abs=1e-7)
        assert np.array_equal(told_one.verdicts, told_other.verdicts)


def test_cells_and_dishes_are_filtered_one_by_one_as_the_whole_state_is():
    blocks, dense = (followed(space, stream()) for space in (culture(), naive(culture())))
    assert [kind.shape for kind in blocks[-1][0].blocks.kinds] == [(1, 5), (CELLS, 2), (4, 1), (1, 1)]
    assert [kind.shape for kind in dense[-1][0].blocks.kinds] == [(1, 5 + 2 * CELLS + 5)]
    assert_same(blocks, dense)


def beside_each_node(space, filter):
    """Yield mean and covariance of each node, and those of a filter of the model with its parameters."""
    data = [one for one in stream() if one.source == "microscope"]
    state, _ = followed(space, data, size=16)[-1]
    for g in range(0, len(state.points), 5):
        theta = dict(REST)
        for name, u in zip(UNKNOWNS, state.points[g], strict=True):
            theta[name] = 1 / (1 + np.exp(-u)) if name == "capture" else np.exp(u)
        *_, (alone, _) = run(filter, space, theta, data)
        yield state.means[g], state.blocks.dense()[g], alone


def test_at_each_node_stands_the_kalman_filter_of_the_model_with_its_parameters():
    steady = culture(camera=replace(CAMERA, shot=0.0, relative=0.0))
    for mean, cov, alone in beside_each_node(steady, ExtendedKalman()):
        assert mean == pytest.approx(alone.mean, rel=1e-8, abs=1e-8)
        assert cov == pytest.approx(alone.cov, rel=1e-6, abs=1e-6)


def test_where_noise_grows_with_the_light_it_is_the_filter_of_the_most_probable_state():
    for mean, cov, alone in beside_each_node(culture(), LaplaceKalman()):
        sd = np.sqrt(np.diag(alone.cov))
        assert np.all(np.abs(mean - alone.mean) <= 2e-4 * sd + 1e-8)
        assert np.all(np.abs(cov - alone.cov) <= 1e-5 * np.outer(sd, sd) + 1e-6)


def curved(protein, gain):
    return 100.0 + gain * protein**1.2


def test_a_curved_reading_of_each_cell_is_taken_at_the_most_probable_state():
    unknowns = {"k_m": Unknown(2.5, 0.3), "gain": Unknown(1.2, 0.2)}
    rest = {name: KNOWN[name] for name in ("gamma_m", "k_p", "gamma_p")}
    operators = {"camera": ObservationOperator("light", CAMERA, PointwiseFormula(curved, "light"))}
    cells = FollowedCells(population(), CELLS)
    space = StateSpace([], cells, operators, (*RATES, GAIN), population().start())
    data = [
        Observation(5.0 * t, "camera", "light", row)
        for t, row in enumerate(readings(CELLS, 5, seed=5)[2:], start=1)
    ]
    assert_same(*(followed(one, data, unknowns, rest) for one in (space, naive(space))))


def flicker(memory):
    return matrix([[-1 / memory]]), np.stack([1 / memory]), matrix([[0.02 / memory]])


def seen(protein, gain, lamp):
    return 100.0 + gain * protein + 40.0 * lamp


def total(protein, gain):
    return 100.0 + gain * np.sum(protein)


def lit(reading, law):
    """Cells under a lamp that flickers: its light is unknown, and common to all that a frame shows."""
    lamp = LinearSDE("lamp", (Quantity("lamp", "1"),), flicker)
    dynamics = SideBySide([FollowedCells(population(), CELLS), lamp])
    constants = {**population().start(), "lamp_initial": 1.0, "memory": 30.0}
    operators = {"camera": ObservationOperator("light", law, reading)}
    return StateSpace([], dynamics, operators, (*RATES, GAIN), constants)


@pytest.mark.parametrize(
    ("reading", "shape"), [(PointwiseFormula(seen, "light"), (CELLS,)), (Formula(total, "light"), ())]
)
def test_where_a_reading_ties_what_is_unsure_the_state_is_one(reading, shape):
    unknowns = {"k_m": Unknown(2.5, 0.3), "gain": Unknown(1.2, 0.2)}
    rest = {name: KNOWN[name] for name in ("gamma_m", "k_p", "gamma_p")}
    data = [
        Observation(5.0 * t, "camera", "light", row if shape else row.sum() - 300.0)
        for t, row in enumerate(readings(CELLS, 4, seed=5)[2:], start=1)
    ]
    space = lit(reading, Gaussian(60.0))
    blocks, dense = (followed(one, data, unknowns, rest) for one in (space, naive(space)))
    assert [kind.shape for kind in blocks[-1][0].blocks.kinds] == [(1, 2 * CELLS + 1)]
    assert_same(blocks, dense)


def test_matrices_that_depend_on_what_is_learned_tie_no_more_than_they_read():
    unknowns = {"k_m": Unknown(2.5, 0.3), "gain": Unknown(1.2, 0.2)}
    rest = {name: KNOWN[name] for name in ("gamma_m", "k_p", "gamma_p")}
    cells = FollowedCells(population(), CELLS)
    data = [
        Observation(5.0 * t, "camera", "light", row) for t, row in enumerate(readings(CELLS, 3, 6), start=1)
    ]

    def light(gain):
        return gain * np.eye(2 * CELLS)[CELLS:], 100.0 * np.ones(CELLS)

    operator = ObservationOperator("light", Gaussian(60.0), LinearReading("light", cells.state, light))
    space = StateSpace([], cells, {"camera": operator}, (*RATES, GAIN), population().start())
    blocks, dense = (followed(one, data, unknowns, rest) for one in (space, naive(space)))
    assert [kind.shape for kind in blocks[-1][0].blocks.kinds] == [(CELLS, 2)]
    assert_same(blocks, dense)


def test_blocks_move_as_the_whole_does():
    space = culture()
    dynamics, values = space.dynamics, {**TRUTH, **space.constants, "transcription_rate": [1.0, 2.0, 5.0]}
    values = {name: np.asarray(values[name], dtype=float) for name in dynamics.inputs}
    whole = dynamics.transition_rows(10.0, 25.0, values, 3)
    parts = dynamics.block_rows(10.0, 25.0, values, 3)
    for part, move in zip(dynamics.blocks(), parts, strict=True):
        for places in part:
            pair = np.ix_(range(3), places, places)
            assert whole.F[pair] == pytest.approx(move.F, rel=1e-12, abs=1e-14)
            assert whole.Q[pair] == pytest.approx(move.Q, rel=1e-12, abs=1e-14)
            assert whole.b[:, places] == pytest.approx(move.b, rel=1e-12, abs=1e-14)
            whole.F[pair] = whole.Q[pair] = 0.0
    assert not whole.F.any()  # nothing moves another block, or is shaken with it
    assert not whole.Q.any()


@pytest.mark.parametrize("size", [1, 2, 5, SMALL + 2])
def test_steps_and_what_is_left_are_those_of_the_inverse(size):
    rng = np.random.default_rng(size)
    A, J = rng.standard_normal((2, 7, size, size + 1))
    P, J = A @ np.swapaxes(A, 1, 2), J @ np.swapaxes(J, 1, 2)
    rest = rng.standard_normal((7, size))
    exact = np.linalg.inv(np.linalg.inv(P) + J)
    step, gain = newton(P, J, rest)
    left, volume = told(P, J)
    assert left == pytest.approx(exact, rel=1e-8, abs=1e-8)
    assert volume == pytest.approx(np.linalg.slogdet(np.eye(size) + J @ P)[1], rel=1e-9)
    inverse = np.linalg.inv(np.eye(size) + J @ P)
    assert step == pytest.approx(np.einsum("kab,kb->ka", inverse, rest), rel=1e-7, abs=1e-7)
    assert gain == pytest.approx(np.einsum("ka,kab,kb->k", rest, exact, rest), rel=1e-7)
    L = roots(P)
    assert L @ np.swapaxes(L, 1, 2) == pytest.approx(P, rel=1e-9, abs=1e-9)


def test_what_is_known_exactly_stays_so():
    P, J = np.zeros((1, 3, 3)), np.eye(3)[None]
    P[0, 1, 1] = 4.0
    left, volume = told(P, J)
    assert left[0] == pytest.approx(np.diag([0.0, 0.8, 0.0]), abs=1e-15)
    assert volume == pytest.approx(np.log(5.0))
    assert newton(P, J, np.ones((1, 3)))[0][0] == pytest.approx([1.0, 0.2, 1.0])


@pytest.mark.slow
def test_a_case_follows_hundreds_of_cells(tmp_path):
    cells, times, rng = 300, 45.0 * np.arange(1, 7), np.random.default_rng(8)
    rates = [TRUTH[p.name] for p in fusion.RATES]
    path = by_events(*rates, 45.0, times.size, cells, rng)
    light = TRUTH["gain"] * np.exp(-TRUTH["bleaching"] * times)[:, None] * path[:, :, 1]
    rows = ["time [min],cell [1],intensity [1]"]
    for time, frame in zip(times, CAMERA.sample(100.0 + light, np.zeros(cells), {}, rng), strict=True):
        rows += [f"{time},{cell},{value:.2f}" for cell, value in enumerate(frame)]
    (tmp_path / "movie.csv").write_text("\n".join(rows) + "\n")
    text = find_case("cell_state_fusion").read_text(encoding="utf-8")
    head, tail = text.split('data = "cell_state_fusion/movie.csv"')
    tail = tail.split("\n", 2)[2]  # the reader of TrackMate
    start, end = tail.index("[[experiment]]"), tail.index("[fixed]")
    text = head + 'data = "movie.csv"\n' + tail[:start] + tail[end:]
    for old, new in (
        ('experiment = ["movie", "dishes"]', 'experiment = "movie"\nmembers = 64'),
        ('"gain", "capture"]', '"gain"]'),
        ('umi = { law = "negative_binomial", overdispersion = 0.05 }\n', ""),
    ):
        assert old in text
        text = text.replace(old, new)
    for name in ("capture", "dish_offset"):
        text = "\n".join(line for line in text.split("\n") if not line.startswith(f"{name} ="))
    (tmp_path / "many.toml").write_text(text, encoding="utf-8")
    result = take_in(read_case(tmp_path / "many.toml"))
    assert len(result.readings) == 300 * times.size
    ends = result.data["filtered_parameter"][-1].to_numpy()
    for name, (low, _, high) in zip(result.data["parameter"].to_numpy(), ends, strict=True):
        middle, reach = np.log([low, high]).mean(), np.diff(np.log([low, high])).item() / 2
        assert abs(np.log(TRUTH[str(name)]) - middle) < 1.7 * reach  # 3.3 standard deviations
        assert reach < 0.25  # four cells end at 0.5 and more
