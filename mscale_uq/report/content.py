"""What a report says: the numbers of a run, chosen and put into words."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from mscale_uq.core.parameter import Array
from mscale_uq.diagnose.identifiability_text import signed
from mscale_uq.io.units import convert
from mscale_uq.report.band import Band
from mscale_uq.report.density import smooth_density
from mscale_uq.report.shown import shown_density, shown_numbers, shown_unit, shown_values
from mscale_uq.report.text import exact, interval, number, pretty_unit, share, words
from mscale_uq.results.result import Result
from mscale_uq.results.summary import LARGEST_RHAT, SMALLEST_ESS, derived, prior_derived, scalars

STRONG, WEAK = 0.9, 0.2  # contraction above which data speak clearly, below which they hardly speak
MOST_PAIRS_SAID = 5  # the rest is counted
MOST_SERIES, SHORTEST_SERIES = 6, 5  # panels under each other, and readings that make a line
APART = 1.1  # R-hat above which chains have not met, so that their draws say nothing of the data


@final
@dataclass(frozen=True)
class Scalar:
    """One scalar of a run, an unknown or an effective quantity, in the unit in which a person reads it.

    Attributes
    ----------
    label, name
        As in the summary table, and in words.
    unit, meaning
        For people.
    draws
        ``(chain, draw)``.
    prior
        Places and heights of the prior's density: in closed form, or smoothed from draws.
    expected
        What the case expects of it: truth and within, or mean, sd and tolerance.
    row
        Its row of the summary table.
    """

    label: str
    name: str
    unit: str
    meaning: str
    draws: Array
    prior: tuple[Array, Array] | None
    expected: Mapping[str, float]
    row: Mapping[str, Any]

    @property
    def truth(self) -> float | None:
        """The expected number, if one is."""
        return self.expected.get("truth", self.expected.get("mean"))


@final
@dataclass(frozen=True)
class Measured:
    """A measured quantity of an experiment, and what is predicted for it, in the units of the file."""

    experiment: str
    quantity: str
    unit: str
    meaning: str
    places: Mapping[str, tuple[Array, str]]
    band: Band

    @property
    def varying(self) -> list[str]:
        """Coordinates that are not the same for all readings."""
        return [name for name, (values, _) in self.places.items() if np.ptp(values) > 0]

    def place(self, row: int, names: Iterable[str]) -> str:
        """Where a reading lies along some coordinates, as ``x 500 m, time 60 s``."""
        parts = (
            f"{words(name)} {exact(float(np.ravel(values)[row]))} {pretty_unit(unit)}".strip()
            for name, (values, unit) in ((name, self.places[name]) for name in names)
        )
        return ", ".join(parts)

    @property
    def series(self) -> tuple[str, list[np.ndarray]] | None:
        """The coordinate with most places, and the rows of each series along it; None if they are none.

        Several readings along it belong to each of a few combinations of the other coordinates.
        """
        varying = self.varying
        if len(varying) < 2:
            return None
        along = max(varying, key=lambda name: np.unique(self.places[name][0]).size)
        others = np.stack([np.ravel(self.places[name][0]) for name in varying if name != along])
        _, which = np.unique(others, axis=1, return_inverse=True)
        rows = [np.flatnonzero(which.ravel() == number) for number in range(which.max() + 1)]
        few = len(rows) <= MOST_SERIES and min(map(len, rows)) >= SHORTEST_SERIES
        return (along, rows) if few else None

    @property
    def inside(self) -> str:
        """How many readings lie where they are expected, those that were used and those held out."""
        used = _inside(self.band, self.band.observed, "reading")
        held = _inside(self.band, self.band.held, "held-out reading")
        gone = int(np.sum(np.isnan(self.band.observed) & np.isnan(self.band.held)))
        missing = f"{gone} {'is' if gone == 1 else 'are'} missing" if gone else ""
        return "; ".join(filter(None, (used, held, missing)))


def _inside(band: Band, readings: Array, what: str) -> str:
    inside, seen = band.counts(readings)
    if not seen:
        return ""
    if seen == 1:
        return f"the {what} lies {'inside' if inside else 'outside'} its 95 % interval"
    return f"{inside} of {seen} {what}s lie inside their 95 % intervals"


def unknowns(result: Result) -> list[Scalar]:
    """Return every unknown, entry by entry."""
    return list(_scalars(result.idata["posterior"], result.summary))


def effective(result: Result) -> list[Scalar]:
    """Return the effective quantities the system names, or all on the way if it names none.

    One that names some may make none of them in this case: what else is on the way is then its own affair.
    """
    group = derived(result.idata)
    named = [name for name, array in group.data_vars.items() if array.attrs.get("effective")]
    names_some = named or group.attrs.get("names_effective")
    before = {label: draws for label, draws, _ in scalars(prior_derived(result.idata))}
    found = _scalars(group[named] if names_some else group, result.effective, before)
    return [scalar for scalar in found if scalar.row["sd"] != 0]


def measured(result: Result) -> list[Measured]:
    """Return every measured quantity of every experiment."""
    return list(_measured(result))


def table_row(scalar: Scalar) -> dict[str, Any]:
    """Return a scalar's row of a report's table, as text."""
    row, sd = scalar.row, scalar.row["sd"]
    return {
        "name": scalar.name,
        "meaning": scalar.meaning,
        "unit": pretty_unit(scalar.unit) or ("" if scalar.unit else "unit not stated"),
        "mean": number(row["mean"], sd),
        "sd": number(sd, sd),
        "interval": interval(row["2.5 %"], row["97.5 %"], sd),
        "contraction": share(row["contraction"]),
        "width": f"{max(0.0, min(1.0, row['contraction'])):.3f}" if np.isfinite(row["contraction"]) else "",
        "rhat": f"{row['R-hat']:.3f}" if np.isfinite(row["R-hat"]) else "–",
        "rhat_bad": bool(row["R-hat"] > LARGEST_RHAT),
        "ess": f"{row['ESS']:.0f}" if np.isfinite(row["ESS"]) else "–",
        "ess_bad": bool(row["ESS"] < SMALLEST_ESS),
        "tail": f"{row['tail ESS']:.0f}" if np.isfinite(row["tail ESS"]) else "–",
    }


def findings(scalars_: list[Scalar], entangled: Iterable[tuple[str, str, float]] = ()) -> list[str]:
    """Say in words what the data tell; `entangled`: pairs of labels and their correlation."""
    apart = [s.name for s in scalars_ if s.row["R-hat"] > APART]
    met = [s for s in scalars_ if s.name not in apart]
    strong = [s.name for s in met if s.row["contraction"] > STRONG]
    weak = [s.name for s in met if s.row["contraction"] < WEAK]
    sentences = []
    if apart:
        sentences.append(f"What the data say of {_listed(apart)} is not known yet: the chains have not met.")
    if strong:
        sentences.append(
            f"The data determine {_listed(strong)}: more than {share(STRONG)} of the prior variance is gone."
        )
    if weak:
        sentences.append(f"The data say little about {_listed(weak)}: the posterior is close to the prior.")
    elif not apart and any(np.isfinite(s.row["contraction"]) for s in scalars_):
        sentences.append("None of the unknowns is left to its prior.")
    sentences += _entangled(sorted(entangled, key=lambda pair: -abs(pair[2])))
    return [sentence[0].upper() + sentence[1:] for sentence in sentences]


def _entangled(pairs: list[tuple[str, str, float]]) -> Iterator[str]:
    for one, other, strength in pairs[:MOST_PAIRS_SAID]:
        pair = f"{words(one)} and {words(other)}"
        yield f"{pair} are hardly told apart (correlation {signed(strength, 2)})."
    more = len(pairs) - MOST_PAIRS_SAID
    if more > 0:
        yield f"so {'are' if more > 1 else 'is'} {more} more pair{'s' * (more > 1)}."


def verdicts(scalars_: list[Scalar]) -> list[dict[str, str]]:
    """Compare with the expected numbers, where the case has some."""
    return [_verdict(scalar) for scalar in scalars_ if scalar.expected]


def _scalars(group: Any, table: pd.DataFrame, before: Mapping[str, Array] | None = None) -> Iterator[Scalar]:
    """Yield the scalars of a group; `before` holds draws of the prior where its density is not known."""
    for label, draws, attrs in scalars(group):
        curve = json.loads(attrs["prior_curve"]) if "prior_curve" in attrs else None
        prior = (np.array(curve["x"]), np.array(curve["density"])) if curve else None
        if prior is None and before and label in before:
            prior = smooth_density(before[label].ravel())
        yield Scalar(
            label,
            words(label),
            shown_unit(attrs),
            attrs.get("meaning", ""),
            shown_values(draws, attrs),
            shown_density(prior, attrs) if prior else None,
            shown_numbers(json.loads(attrs.get("expect", "{}")).get(label, {}), attrs),
            shown_numbers(table.loc[label], attrs),
        )


def _measured(result: Result) -> Iterator[Measured]:
    data = result.idata
    for name, array in data["observed_data"].data_vars.items():
        rows = array.size
        replicated, predicted = (
            group[name].transpose("chain", "draw", ...).to_numpy().reshape(-1, *array.shape)
            for group in (data["posterior_predictive"], data["predicted"])
        )
        places = {
            coordinate.attrs["coordinate"]: _place(coordinate.to_numpy(), coordinate.attrs)
            for coordinate in array.coords.values()
            if "coordinate" in coordinate.attrs and coordinate.size == rows
        }
        known = data["held_out_data"] if "held_out_data" in data.groups() else {}
        held = known[name].to_numpy() if name in known else np.full(array.shape, np.nan)
        about = array.attrs
        unit, shown = about["unit"], about.get("shown", about["unit"])
        band = Band(
            *(
                convert(part, unit, shown, "readings")
                for part in (replicated, predicted, array.to_numpy(), held)
            )
        )
        yield Measured(about["experiment"], about["quantity"], shown, about["meaning"], places, band)


def _place(values: Array, about: Mapping[str, str]) -> tuple[Array, str]:
    """Return the values of a coordinate in the unit of its file, and that unit."""
    shown = about.get("shown", about["unit"])
    return convert(values, about["unit"], shown, "places"), shown


def _verdict(scalar: Scalar) -> dict[str, str]:
    wanted, found, good = _comparison(scalar)
    unit = pretty_unit(scalar.unit)
    agrees = {True: "yes", False: "no", None: "–"}[good]
    return {"name": scalar.name, "wanted": f"{wanted} {unit}", "said": f"{found} {unit}", "good": agrees}


def _comparison(scalar: Scalar) -> tuple[str, str, bool | None]:
    """Return what is expected, what was found, and whether they agree (None: nobody can say)."""
    expected, mean, sd = scalar.expected, scalar.row["mean"], scalar.row["sd"]
    if "truth" in expected and scalar.draws.shape[1] > 1:
        within, truth = expected["within"], expected["truth"]
        low, high = np.nanquantile(scalar.draws, [(1 - within) / 2, (1 + within) / 2])
        return exact(truth), f"{share(within)} interval {interval(low, high, sd)}", bool(low <= truth <= high)
    wanted = scalar.truth or 0.0
    if "tolerance" not in expected:
        return exact(wanted), f"mean {number(mean, sd)}", None
    tolerance = expected["tolerance"]
    good = bool(abs(mean - wanted) <= tolerance)
    return f"{exact(wanted)} ± {exact(tolerance)}", f"mean {number(mean, sd)}", good


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
