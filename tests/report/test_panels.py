"""What a live page makes room for."""

from mscale_uq.report.live.panels import left_out, panels_of
from mscale_uq.stream.view import Change

CELLS = [f"cell = {number}" for number in range(4)]
SEQUENCED = [f"dish = 1, cell {number}" for number in range(200)]


def run_with(**places):
    """Facts and a row of a run whose sources have these places."""
    sources = {name: {"name": name, "places": of} for name, of in places.items()}
    row = {"source": [], "entry": [], "learned": {}}
    return {"sources": sources}, Change(1, 0, row)


def test_a_dish_of_many_cells_does_not_crowd_out_the_cells_that_are_followed():
    facts, change = run_with(umi=SEQUENCED, intensity=CELLS)
    panels = panels_of(facts, change)
    assert [panel.text for panel in panels if panel.name == "intensity"] == CELLS
    dish = [panel.entry for panel in panels if panel.name == "umi"]
    assert len(dish) == 8
    assert dish[0] == 0
    assert dish[-1] == 199
    assert left_out(facts, panels) == 192


def test_sources_that_all_have_many_places_get_as_many_panels_each():
    facts, change = run_with(umi=SEQUENCED, intensity=SEQUENCED, height=SEQUENCED)
    names = [panel.name for panel in panels_of(facts, change)]
    assert names == ["umi"] * 4 + ["intensity"] * 4 + ["height"] * 4


def test_few_places_are_all_shown_and_so_is_one_of_many_sources():
    facts, change = run_with(intensity=CELLS)
    assert [panel.text for panel in panels_of(facts, change)] == CELLS
    facts, change = run_with(**{f"probe {number}": SEQUENCED[:3] for number in range(12)})
    assert [panel.entry for panel in panels_of(facts, change)] == [0] * 12
