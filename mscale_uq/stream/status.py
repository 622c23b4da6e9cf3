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
    unread, recent
        How many of the latest records could not be taken in, and of how many: at most `WINDOW`.
    reason
        Why the newest record that could not be taken in was not; empty if all could.
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
    worst
        The time of most of these squared innovations, if more than half of them are of one time.
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
    unread: int
    recent: int
    reason: str
    time: float | None
    newest: float | None
    lag: float
    senders: Mapping[str, float]
    steps: int
    nis: float | None
    worst: float | None
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
                    + ("" if self.worst is None else f", most of it at {self.worst:.6g} {self.unit}".rstrip())
                )
        outliers = self.verdicts.get(Verdict.OUTLIER.name.lower(), 0)
        used = sum(
            self.verdicts.get(v.name.lower(), 0) for v in (Verdict.USED, Verdict.USED_POSTERIOR_FAILED)
        )
        if outliers > MOST_REJECTED * max(1, outliers + used):
            found.append(f"{outliers / (outliers + used):.0%} of the readings were left out as outliers")
        if self.unread > MOST_REJECTED * max(1, self.recent):
            given = f"{self.unread} of the last {self.recent} records could not be taken in"
            found.append(f"{given}, the newest for: {self.reason}")
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
    unread, of, reason = view.unread(WINDOW)
    end = recent[-1].row if recent else {}
    return Status(
        case=facts.get("case", ""),
        unit=facts.get("time", ["time", ""])[1],
        received=records["received"],
        waiting=records["waiting"],
        late=records["late"],
        verdicts=view.verdicts(),
        unread=unread,
        recent=of,
        reason=reason,
        time=last,
        newest=newest,
        lag=0.0 if newest is None or last is None else newest - last,
        senders=(view.fact("watermark") or {"newest": {}})["newest"],
        steps=count,
        nis=None if judged is None else judged.ratio,
        worst=_worst(recent),
        nis_band=None if judged is None else (judged.lower, judged.upper),
        spread=end.get("spread"),
        lost=end.get("lost", 0),
        seconds_since_commit=time.time() - (view.fact("committed_at") or time.time()),
    )


def judge(recent: Sequence[Change]) -> Consistency | None:
    """Return the innovations of some analysis times against their law; None if nothing was used in them."""
    freedom = sum(change.row["used"] for change in recent)
    return consistency(sum(change.row["nis"] for change in recent), freedom) if freedom else None


def _worst(recent: Sequence[Change]) -> float | None:
    """Return the time of more than half of the squared innovations; None if there is none, or few times."""
    used = [change.row for change in recent if change.row["used"]]
    if len(used) < 3:
        return None
    most = max(used, key=lambda row: row["nis"])
    return float(most["time"]) if 2 * most["nis"] > sum(row["nis"] for row in used) else None
