"""`Identifiability`, and what draws tell, in words, for a terminal and a report; what is local says so."""

from collections.abc import Iterator

import numpy as np

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.identifiability import Identifiability
from mscale_uq.diagnose.passage import Passage, Remedy
from mscale_uq.diagnose.told import Told, worst_pair

MOST = 12  # rows of a table
SMALL = 0.15  # weight in a direction below which an unknown is not named


def lines(found: Identifiability) -> list[str]:
    """Return the whole message, line by line."""
    return [*_heading(found), *_passages(found), *_widths(found), *_directions(found), *_readings(found)]


def _heading(found: Identifiability) -> Iterator[str]:
    count = len(found.points)
    missed = f", {found.failed} more have no prediction" if found.failed else ""
    yield f"looked at {count} points: the prior median and prior draws{missed}"
    if found.bent:
        yield (
            f"CURVED: around {found.bent} of them predictions leave the straight line by up to "
            f"{np.nanmax(found.bends):.1f} noise sds within one posterior sd: the posterior is a bent ridge "
            "there, not the ellipse of the local widths below. Believe only what is sampled"
        )
    unknown = int(np.sum(np.isnan(found.bends)))
    if unknown:
        yield f"around {unknown} of them curvature could not be judged: there is no prediction one sd away"


def _passages(found: Identifiability) -> Iterator[str]:
    for passage in found.passages:
        yield sentence(passage, found)


def sentence(passage: Passage, found: Identifiability) -> str:
    """Return what passes through one quantity only, and what would help."""
    count, rank = len(passage.unknowns), passage.rank
    verb = "enters" if count == 1 else "enter"
    fixes = {0: "does not depend on them" if count > 1 else "does not depend on it"}.get(
        rank, f"fixes {rank} combination{'s' if rank > 1 else ''} of the {count}"
    )
    where = f"rank seen at all {len(found.points)} points"
    start = f"{_and(passage.unknowns)} {verb} only through {passage.quantity}, which {fixes} ({where})"
    return f"{start}: {_help(passage, found)}"


def _help(passage: Passage, found: Identifiability) -> str:
    if not passage.remedies:
        return "no other value of a parameter would help; measure one of them, or another quantity"
    first, *rest = passage.remedies
    more = f"; or with another {_or([_named(remedy) for remedy in rest[:2]])}" if rest else ""
    return f"add a specimen with another {_named(first)}{_effect(first, passage, found)}{more}"


def _named(remedy: Remedy) -> str:
    return remedy.parameter if remedy.known else f"{remedy.parameter} that is known"


def _effect(remedy: Remedy, passage: Passage, found: Identifiability) -> str:
    """Say what the further specimen does for the unknown that gains most."""
    columns = [found.names.index(name) for name in passage.unknowns]
    before, after = found.points[0].kept[columns], remedy.kept[columns]
    most = int(np.argmin(after / before))
    unit = "" if remedy.unit == "1" else f" {remedy.unit}"
    values = f"{remedy.value:.3g} -> {remedy.other:.3g}{unit}"
    change = f"{passage.unknowns[most]} from {before[most]:.2f} to {after[most]:.2f} of its prior sd"
    return f" ({values}: {change}, local)"


def _widths(found: Identifiability) -> Iterator[str]:
    yield "expected posterior sd as a share of the prior's (local; median, least and most over the points):"
    order = np.argsort(-np.median(found.kept, axis=0))
    width = max(map(len, found.names))
    for i in order[:MOST]:
        kept = found.kept[:, i]
        spread = f"{np.median(kept):.3f}  ({kept.min():.3f} .. {kept.max():.3f})"
        yield f"  {found.names[i]:<{width}}  {spread}   variance contracts by {found.contraction[i]:.1%}"
    if len(order) > MOST:
        yield f"  ... and {len(order) - MOST} that keep less"
    if len(found.names) > 1:
        yield _pair(found.worst_pair, "local")


def _pair(pair: tuple[str, str, float], how: str) -> str:
    a, b, r = pair
    return f"worst correlated pair ({how}): {a}, {b}: {signed(r, 3)}"


def _directions(found: Identifiability) -> Iterator[str]:
    """Say which directions the data see best and not at all, at the first point."""
    where = "prior median" if np.allclose(found.points[0].scores, 0.0, atol=1e-9) else "first prior draw"
    yield f"directions at the {where}, in normal scores (local):"
    yield from (f"  {line}" for line in _along(found.points[0].told))


def _along(told: Told) -> Iterator[str]:
    """Say what is kept along the best and the least determined directions."""
    shares, vectors = told.directions
    shown = range(len(shares)) if len(shares) <= 4 else (0, 1, len(shares) - 2, len(shares) - 1)
    for i in shown:
        yield f"keeps {shares[i]:.3f} of its prior sd: {_combination(told.names, vectors[:, i])}"


def drawn(told: Told | str) -> list[str]:
    """Return what draws tell of combinations of unknowns, line by line, or why nothing is said."""
    if isinstance(told, str):
        return [told]
    return [*_along(told), _pair(worst_pair(told.names, told.correlation), "of the draws")]


def _readings(found: Identifiability) -> Iterator[str]:
    gains = found.gains
    yield f"most useful of {len(gains)} readings (nats it adds to all others; local):"
    base = np.median(found.kept, axis=0)
    for sensor, gain in list(gains.items())[:5]:
        place, quantity, position = sensor
        ratio = found.kept_without(sensor) / base
        worst = int(np.argmax(ratio))
        loss = f"without it {found.names[worst]} is {ratio[worst]:.2f} times as wide"
        yield f"  {found.experiments[place]}: {quantity}[{position}]: {gain:.2f}; {loss}"


def _combination(names: tuple[str, ...], direction: Array) -> str:
    turned = direction * np.sign(direction[np.argmax(np.abs(direction))])
    order = [i for i in np.argsort(-np.abs(turned)) if abs(turned[i]) >= SMALL][:4]
    return " ".join(f"{signed(turned[i], 2)} {names[i]}" for i in order)


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, a true minus if it is one."""
    return f"{value:+.{digits}f}".replace("-", "−")


def _and(names: tuple[str, ...]) -> str:
    shown = list(names) if len(names) <= 5 else [*names[:4], f"{len(names) - 4} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _or(words: list[str]) -> str:
    return " or ".join(words)
