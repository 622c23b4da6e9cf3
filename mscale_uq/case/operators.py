"""Under which law every output of an experiment is read, and which noise levels can be bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from mscale_uq.case.binding import Link
from mscale_uq.case.channels import Channels
from mscale_uq.case.discrepancy import Discrepancy
from mscale_uq.case.laws import add_level, followed, law_key, noise_channels, noise_levels, noise_operators
from mscale_uq.case.light import above_background
from mscale_uq.case.schema import ExperimentSpec, LawSpec
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.system import System
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.mistakes import Mistakes
from mscale_uq.stats.experiment import Fixed


@final
@dataclass(frozen=True)
class Measured:
    """What an experiment measures, and the model of it.

    Attributes
    ----------
    one, system, data, model
        The experiment in the case file, and what was made of it.
    real
        Whether the data are those of its files, and no stand-ins.
    """

    one: ExperimentSpec
    system: System
    data: Measurements
    model: ForwardModel
    real: bool


@final
@dataclass(frozen=True)
class ReadBy:
    """How the outputs are read; the functions below go on filling it.

    Attributes
    ----------
    operators
        Output -> its law.
    channels
        Noise level -> the channels it has an entry for, if it has several.
    targets
        What can be bound: parameters of the model, and noise levels.
    """

    operators: dict[str, ObservationOperator]
    channels: dict[str, Channels]
    targets: dict[str, Parameter]


def read_under(
    of: Measured,
    laws: Mapping[str, LawSpec],
    pooled: Mapping[str, ObservationOperator],
    mistakes: Mistakes,
) -> ReadBy:
    """Return the laws of a case and their levels; `pooled` are those of what stands for many readings."""
    operators = {**noise_operators(laws, of.one, of.data, of.system, mistakes), **pooled}
    channels = noise_channels(laws, of.one, of.data, of.system, mistakes) if of.real else {}
    targets = {parameter.name: parameter for parameter in of.model.parameters}
    for quantity, operator in operators.items():
        output = of.system.output(quantity)
        with mistakes.at(law_key(quantity, of.one)):
            if of.real:
                operators[quantity] = followed(operator, of.data, output, of.system)
            for level in noise_levels(operator.law, output, of.model, channels):
                add_level(targets, level)
    return ReadBy(operators, channels, targets)


def add_discrepancies(
    of: Measured, read_by: ReadBy, discrepancies: Mapping[str, Discrepancy], mistakes: Mistakes
) -> None:
    """Add what the model misses to the laws, and its size and length to the targets."""
    operators = read_by.operators
    for quantity in discrepancies.keys() & operators.keys():
        missed = discrepancies[quantity]
        with mistakes.at(f"discrepancy.{quantity}"):
            if of.real:
                operators[quantity] = missed.added(operators[quantity], of.data)
            for level in missed.levels(of.system.output(quantity), of.system, of.model):
                add_level(read_by.targets, level)


def add_backgrounds(
    of: Measured,
    read_by: ReadBy,
    laws: Mapping[str, LawSpec],
    bindings: Mapping[str, Fixed | Link],
    mistakes: Mistakes,
) -> None:
    """Have light read above its background, where a law states one."""
    operators, targets = read_by.operators, read_by.targets
    for quantity in laws.keys() & operators.keys():
        output = of.system.output(quantity)
        with mistakes.at(law_key(quantity, of.one)):
            operators[quantity] = above_background(
                operators[quantity], laws[quantity], output, targets, bindings
            )
