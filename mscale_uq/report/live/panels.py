"""What a live page shows of a run: its panels, and of each analysis time the numbers they need."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

from mscale_uq.report.text import pretty_unit, words
from mscale_uq.stream.view import Change

POOLED = -1  # the entry that stands for the mean of all readings of a source at one time
MOST = {"learned": 12, "reading": 12, "state": 6}  # panels of a kind


@final
@dataclass(frozen=True)
class Panel:
    """One quantity along time.

    Attributes
    ----------
    kind
        A learned parameter, a reading at one place, or a state variable.
    name, entry
        Where it stands in a row.
    title, text, unit
        For people.
    snapshot
        Whether its source is destroyed by being read.
    expected
        The number it should be, if one is known.
    """

    kind: Literal["learned", "reading", "state"]
    name: str
    entry: int
    title: str
    text: str
    unit: str
    snapshot: bool = False
    expected: float | None = None


def panels_of(facts: Mapping[str, Any], change: Change) -> list[Panel]:
    """Return the panels of a run, from what is known of it and one of its rows."""
    row = change.row
    sources = facts.get("sources") or {source: {} for source in dict.fromkeys(row["source"])}
    learned = [one for name in row["learned"] for one in _learned(name, facts, row)]
    readings = [_readings(source, about, row) for source, about in sources.items()]
    shown = {panel.title for source in readings for panel in source}
    labels = facts.get("state") or [[f"state {i + 1}", ""] for i in range(len(row.get("mean", [])))]
    states = [
        Panel("state", label, position, words(label), "state", pretty_unit(unit))
        for position, (label, unit) in enumerate(labels)
        if "mean" in row and words(label) not in shown
    ]
    return [
        *_spread(learned, MOST["learned"]),
        *_shared(readings, MOST["reading"]),
        *_spread(states, MOST["state"]),
    ]


def left_out(facts: Mapping[str, Any], panels: list[Panel]) -> int:
    """Return how many places of readings have no panel."""
    places = sum(max(1, len(about.get("places", []))) for about in (facts.get("sources") or {}).values())
    return max(0, places - sum(panel.kind == "reading" for panel in panels))


def shown(panels: list[Panel], snapshots: set[str], change: Change) -> dict[str, Any]:
    """Return what the panels show of an analysis time, under short keys: each of them is sent.

    ``t`` time, ``v`` revision, ``n`` squared innovations, ``u`` how many readings were used, ``c`` verdicts
    and their counts, ``x`` whether a snapshot was used, and per panel ``p``: readings ``[value, verdict]``
    with ``m, s`` mean and deviation, ``i, j`` innovation and its deviation; ``l, m, h`` ends of an interval;
    ``q`` deviation by the deviation before.
    """
    row = change.row
    used = [source for source, code in zip(row["source"], row["verdict"], strict=True) if code in (0, 2)]
    made = {str(number): _numbers(panel, row) for number, panel in enumerate(panels)}
    return {
        "t": row["time"],
        "v": change.revision,
        "n": row["nis"],
        "u": row["used"],
        "c": dict(Counter(row["verdict"])),
        "x": bool(snapshots & set(used)),
        "p": {number: one for number, one in made.items() if one is not None},
    }


def as_json(panel: Panel) -> dict[str, Any]:
    """Return a panel as plain values."""
    return asdict(panel)


def _learned(name: str, facts: Mapping[str, Any], row: Mapping[str, Any]) -> list[Panel]:
    about = (facts.get("learned") or {}).get(name, {})
    title, size = words(about.get("name", name)), len(_flat(row["learned"][name])) // 3
    return [
        Panel(
            "learned",
            name,
            entry,
            title if size == 1 else f"{title} {entry + 1}",
            about.get("meaning", ""),
            pretty_unit(about.get("unit", "")),
            expected=about.get("expected"),
        )
        for entry in range(size)
    ]


def _readings(source: str, about: Mapping[str, Any], row: Mapping[str, Any]) -> list[Panel]:
    entries = [entry for name, entry in zip(row["source"], row["entry"], strict=True) if name == source]
    places = about.get("places") or [""] * (max(entries, default=0) + 1)
    meaning, unit = about.get("meaning", ""), pretty_unit(about.get("unit", ""))
    title, snapshot = words(about.get("name", source)), about.get("snapshot", False)
    if about.get("pooled"):
        return [Panel("reading", source, POOLED, title, f"{meaning}, mean of all", unit, snapshot)]
    return [
        Panel("reading", source, entry, title, place or meaning, unit, snapshot)
        for entry, place in enumerate(places)
    ]


def _shared(sources: list[list[Panel]], most: int) -> list[Panel]:
    """Return at most so many panels, as evenly from every source as it has them."""
    share: dict[int, int] = {}
    for rank, source in enumerate(sorted(range(len(sources)), key=lambda i: len(sources[i]))):
        fair = (most - sum(share.values())) // (len(sources) - rank)
        share[source] = min(len(sources[source]), fair)
    return [panel for source, panels in enumerate(sources) for panel in _spread(panels, share[source])]


def _spread(panels: list[Panel], most: int) -> list[Panel]:
    """Return at most so many panels, evenly chosen."""
    if len(panels) <= most:
        return panels
    return [panels[round(i * (len(panels) - 1) / max(most - 1, 1))] for i in range(most)]


def _numbers(panel: Panel, row: Mapping[str, Any]) -> dict[str, Any] | None:
    if panel.kind == "reading":
        return _reading(panel, row)
    if panel.kind == "state":
        if "mean" not in row:
            return None
        mean, sd, before = (row[key][panel.entry] for key in ("mean", "sd", "sd_before"))
        # What is certain has a deviation of round-off alone, which a snapshot does not make smaller.
        return {"m": mean, "s": sd, "q": sd / before if before > 1e-9 * abs(mean) else None}
    after, before = _flat(row["learned"][panel.name]), _flat(row["learned_before"][panel.name])
    size, e = len(after) // 3, panel.entry
    low, middle, high = after[e], after[size + e], after[2 * size + e]
    width = before[2 * size + e] - before[e]
    return {"l": low, "m": middle, "h": high, "q": (high - low) / width if width else None}


def _reading(panel: Panel, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the numbers of one place, or of all; several readings of it at one time share its mean."""
    if panel.entry == POOLED:
        pooled = row.get("pooled", {}).get(panel.name)
        return pooled and {**pooled, "r": [[pooled["r"], 0]]}
    pairs = enumerate(zip(row["source"], row["entry"], strict=True))
    here = [i for i, pair in pairs if pair == (panel.name, panel.entry)]
    if not here:
        return None
    values = [[row["value"][i], row["verdict"][i]] for i in here]
    i = here[0]
    return {
        "r": values,
        "m": row["reading"][i],
        "s": row["reading_sd"][i],
        "i": row["innovation"][i],
        "j": row["innovation_sd"][i],
    }


def _flat(nested: Any) -> list[float]:
    return [one for part in nested for one in _flat(part)] if isinstance(nested, list) else [nested]
