"""Every system in models/ keeps every promise; a new file is found without registration."""

import ast
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mscale_uq.catalog import load_system, names
from mscale_uq.core.formula import Formula
from mscale_uq.core.system import Limit, System
from mscale_uq.diagnose.coherence import units_fit_together
from mscale_uq.diagnose.contracts import (
    CONTRACTS,
    ContractBroken,
    survives_a_worker,
    units_are_consistent,
)
from mscale_uq.io.units import dimension, size

MODELS = Path(__file__).parents[2] / "models"


def test_the_catalogue_is_what_lies_in_the_folder():
    files = {
        f"{path.parent.name}/{path.stem}" for path in MODELS.glob("*/*.py") if not path.stem.startswith("_")
    }
    assert set(names()) == files


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("contract", [contract for contract in CONTRACTS if contract != "survives a worker"])
def test_every_system_keeps_every_promise(name, contract):
    CONTRACTS[contract](load_system(name))


@pytest.fixture(scope="module")
def spawned():
    """One process for all systems: starting one costs more than what it then does."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool.map


@pytest.mark.parametrize("name", names())
def test_every_system_survives_a_worker(name, spawned):
    survives_a_worker(load_system(name), spawned)


@pytest.mark.parametrize("name", names())
def test_physics_does_not_know_our_metre(name):
    units_are_consistent(load_system(name), dimension)
    units_fit_together(load_system(name), dimension, size)


@pytest.mark.parametrize("name", names())
def test_every_system_says_its_name_its_source_and_has_a_case(name):
    path = MODELS / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert "Source:" in text
    assert "doi:10." in text or "arXiv" in text
    assert load_system(name).name == name
    assert list(path.parent.glob(f"{path.stem}*.toml")), "every system has a case beside it"


# What follows plants one mistake each into a system that keeps its promises.


def planted(**changes):
    system = load_system("transport/biofilm_layers")
    fields = {field: getattr(system, field) for field in System.__dataclass_fields__}
    return System(**{**fields, **changes})


def test_a_planted_unit_mistake_is_caught():
    good = load_system("transport/biofilm_layers")
    wrong_flux = tuple(
        type(output)(
            output.name, "mol/(m^3 s)" if output.name == "uptake" else output.unit, "", output.coordinates
        )
        for output in good.outputs
    )
    with pytest.raises(ContractBroken, match=r"'uptake' \[mol/\(m\^3 s\)\] is off"):
        units_are_consistent(planted(outputs=wrong_flux), dimension)


def hidden_constant(depth=(1e-5,), thickness=200e-6, elements=64):
    # 100 um, written down as a number without a unit
    return load_system("transport/biofilm_layers").forward(
        depth=depth, thickness=thickness + 1e-4, elements=elements
    )


def test_a_constant_with_a_hidden_unit_is_caught():
    with pytest.raises(ContractBroken, match="when base units change"):
        units_are_consistent(planted(forward=hidden_constant), dimension)


def test_an_example_may_set_an_option_that_has_a_unit():
    said = units_are_consistent(planted(examples=({"thickness": 3e-4},)), dimension)
    assert said.endswith("also at 1 example")


def test_a_limit_that_is_not_met_is_caught():
    with pytest.raises(ContractBroken, match="the moon is made of cheese"):
        CONTRACTS["limits hold"](planted(limits=(Limit("the moon is made of cheese", lambda: 1.0, 1e-3),)))


def test_a_system_without_a_known_answer_is_refused():
    with pytest.raises(ContractBroken, match="no limit"):
        CONTRACTS["limits hold"](planted(limits=()))


def other_default(depth=(1e-5,), thickness=300e-6, elements=64):
    return load_system("transport/biofilm_layers").forward(
        depth=depth, thickness=thickness, elements=elements
    )


def test_an_option_with_two_defaults_is_caught():
    with pytest.raises(ContractBroken, match="'thickness'"):
        CONTRACTS["defaults agree"](planted(forward=other_default))


def heat(**changes):
    system = load_system("transport/heat_conduction")
    fields = {field: getattr(system, field) for field in System.__dataclass_fields__}
    return System(**{**fields, **changes})


def with_unit(quantities, name, unit):
    return tuple(replace(one, unit=unit) if one.name == name else one for one in quantities)


@pytest.mark.parametrize(
    ("field", "name", "unit"),
    [
        ("parameters", "matrix_heat_capacity", "J/(kg K)"),  # read by the plate in time alone
        ("parameters", "filler_heat_capacity", "s"),
        ("coordinates", "time", "m"),
        ("options", "max_step", "m"),
        ("effective", "K_eff", "K"),
    ],
)
def test_a_unit_mistake_in_another_mode_or_on_the_way_is_caught(field, name, unit):
    good = heat()
    units_are_consistent(good, dimension)
    with pytest.raises(ContractBroken, match="a unit in the declaration is wrong"):
        units_are_consistent(heat(**{field: with_unit(getattr(good, field), name, unit)}), dimension)


@pytest.mark.parametrize(
    ("field", "name", "unit"),
    [
        ("outputs", "cooling_power", "kW/m"),
        ("parameters", "matrix_conductivity", "mW/(m K)"),
        ("coordinates", "time", "min"),
        ("options", "side", "mm"),
    ],
)
def test_a_unit_of_the_right_dimension_and_the_wrong_size_is_caught(field, name, unit):
    wrong = heat(**{field: with_unit(getattr(heat(), field), name, unit)})
    with pytest.raises(ContractBroken, match=f"the units of '{name}' .* do not fit the others"):
        units_fit_together(wrong, dimension, size)


def test_a_system_may_say_that_it_converts():
    wrong = with_unit(heat().outputs, "cooling_power", "kW/m")
    assert units_fit_together(heat(outputs=wrong, converts=True), dimension, size) == "converts on its own"


def test_a_mistake_in_an_example_names_the_example():
    def wrong(mode="steady", **others):
        model = heat().forward(mode=mode, **others)
        doubled = Formula(lambda temperature: 2.0 * np.abs(temperature), "temperature_seen")
        return model if mode == "steady" else model.then([doubled], ["temperature_seen"])

    with pytest.raises(ContractBroken, match=r"absolute is not analytic.*\(with mode='transient'\)"):
        CONTRACTS["gradient is exact"](heat(forward=wrong))
