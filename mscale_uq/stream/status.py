"""`Status`: how a run that follows a stream is doing, from its journal."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from mscale_uq.diagnose.innovations import Consistency, consistency
from mscale_uq.filters.records import Verdict
from mscale_uq.stream.view import Change, View

WINDOW = 200  # analysis times by which a filter is judged while it runs
MOST_REJECTED = 0.1  # share of outliers above which the filter has lost the data, or the data the model


@final
@dataclass(frozen=True)
class Status:
    """How a run is doing.

    Attributes
    ----------
    case
        Its name; empty if it has none.
    unit
        Of the times below.
    received, waiting, late
        Records that came; those that wait for others before them; those that came late and were taken in.
    verdicts
        Verdict -> how many readings met it, refused records and duplicates among them.
    time, newest
        The latest time taken in, and the latest of a record; None if there is none.
    lag
        How far the one is behind the other.
    senders
        Who sends records -> time of the newest one.
    steps
        Analysis times.
    nis
        Squared innovations in the last `WINDOW` analysis times, by what the filter expects of them; None
        before the first.
    nis_band
        What a right filter keeps within, in 999 cases of 1000.
    spread
        Root mean square of the standard deviations of the state.
    lost
        Members that failed in the last step.
    seconds_since_commit
        By the clock.
    """

    case: str
    unit: str
    received: int
    waiting: int
    late: int
    verdicts: Mapping[str, int]
    time: float | None
    newest: float | None
    lag: float
    senders: Mapping[str, float]
    steps: int
    nis: float | None
    nis_band: tuple[float, float] | None
    spread: float | None
    lost: int
    seconds_since_commit: float

    @property
    def reasons(self) -> list[str]:
        """Why the filter should not be believed; empty if it may be."""
        found = []
        if self.nis is not None and self.nis_band is not None:
            lower, upper = self.nis_band
            way = "too sure of itself" if self.nis > upper else "too careful" if self.nis < lower else ""
            if way:
                band = f"({lower:.2f} to {upper:.2f})"
                found.append(
                    f"the filter is {way}: squared innovations are {self.nis:.2f} of what it expects {band}"
                )
        outliers = self.verdicts.get(Verdict.OUTLIER.name.lower(), 0)
        used = sum(
            self.verdicts.get(v.name.lower(), 0) for v in (Verdict.USED, Verdict.USED_POSTERIOR_FAILED)
        )
        if outliers > MOST_REJECTED * max(1, outliers + used):
            found.append(f"{outliers / (outliers + used):.0%} of the readings were left out as outliers")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, with the reasons."""
        return {**asdict(self), "reasons": self.reasons}


def status_of(folder: Path) -> Status:
    """Return how the run in a folder is doing; another process may be at it.

    Raises
    ------
    RunError
        If the folder holds none.
    """
    with View(folder) as view:
        return status(view)


def status(view: View) -> Status:
    """Return how the run of a journal is doing."""
    records, (last, newest), facts = view.records(), view.span(), view.fact("facts") or {}
    recent, count = view.recent(WINDOW), view.count()
    judged = judge(recent)
    end = recent[-1].row if recent else {}
    return Status(
        case=facts.get("case", ""),
        unit=facts.get("time", ["time", ""])[1],
        received=records["received"],
        waiting=records["waiting"],
        late=records["late"],
        verdicts=view.verdicts(),
        time=last,
        newest=newest,
        lag=0.0 if newest is None or last is None else newest - last,
        senders=(view.fact("watermark") or {"newest": {}})["newest"],
        steps=count,
        nis=None if judged is None else judged.ratio,
        nis_band=None if judged is None else (judged.lower, judged.upper),
        spread=end.get("spread"),
        lost=end.get("lost", 0),
        seconds_since_commit=time.time() - (view.fact("committed_at") or time.time()),
    )


def judge(recent: Sequence[Change]) -> Consistency | None:
    """Return the innovations of some analysis times against their law; None if nothing was used in them."""
    freedom = sum(change.row["used"] for change in recent)
    return consistency(sum(change.row["nis"] for change in recent), freedom) if freedom else None
