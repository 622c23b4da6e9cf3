"""What a live page makes room for."""

from mscale_uq.report.live.panels import left_out, panels_of, shown
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


def test_readings_that_are_pooled_have_one_panel_with_their_mean():
    facts, change = run_with(umi=[], intensity=CELLS)
    facts["sources"]["umi"] |= {"pooled": True, "snapshot": True, "meaning": "counted"}
    panels = panels_of(facts, change)
    assert [panel.text for panel in panels] == ["counted, mean of all", *CELLS]
    assert left_out(facts, panels) == 0
    mean = {"r": 1.5, "m": 1.4, "s": 0.1, "i": 0.1, "j": 0.2}
    row = {**change.row, "time": 1.0, "verdict": [], "nis": 0.0, "used": 0, "pooled": {"umi": mean}}
    assert shown(panels, set(), Change(1, 0, row))["p"] == {"0": {**mean, "r": [[1.5, 0]]}}


def test_what_is_certain_is_not_said_to_have_shrunk():
    facts, change = run_with(intensity=[])
    row = {**change.row, "time": 1.0, "verdict": [], "nis": 0.0, "used": 0}
    row |= {"mean": [1.0, 2.0], "sd": [1e-17, 0.5], "sd_before": [3e-17, 1.0]}
    panels = panels_of({**facts, "state": [["lamp", ""], ["mrna", ""]]}, Change(1, 0, row))
    ratios = [one.get("q") for one in shown(panels, set(), Change(1, 0, row))["p"].values()]
    assert ratios == [None, 0.5]
