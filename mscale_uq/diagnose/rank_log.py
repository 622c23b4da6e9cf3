"""`RankLog`: the record of calibration runs that are done, so that an interrupted one goes on."""

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, final

from mscale_uq.errors import RunError, explain
from mscale_uq.files import RecordWriter
from mscale_uq.infer.settings import Settings

FILE = "ranks.log"
DECIDING = ("sampler", "draws", "tune", "seed", "target_accept", "starts")  # settings that ranks depend on


@final
@dataclass(frozen=True)
class RankRow:
    """One simulated data set.

    Attributes
    ----------
    index
        Number of the run; its random numbers follow from it.
    ranks
        Of the truth among the kept draws, per quantity.
    lags
        Correlation of neighbours among the kept draws, per quantity.
    refused, failures
        Prior draws without a prediction; failed solves while sampling.
    """

    index: int
    ranks: tuple[int, ...]
    lags: tuple[float, ...]
    refused: int
    failures: int


@final
class RankLog:
    """Rows by index; every one is on disk before the next is waited for.

    Parameters
    ----------
    folder
        Where the log is kept; None keeps rows in memory only.
    identity, settings, kept, names
        What the rows depend on.

    Raises
    ------
    RunError
        If the folder holds the ranks of something else; nothing is changed then.
    """

    def __init__(
        self, folder: Path | None, identity: str, settings: Settings, kept: int, names: tuple[str, ...]
    ) -> None:
        self.rows: dict[int, RankRow] = {}
        self._stack = ExitStack()
        self._writer: RecordWriter | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = self._stack.enter_context(RecordWriter(folder / FILE))
            self._begin(folder, _header(identity, settings, kept, names))

    def append(self, row: RankRow) -> None:
        """Add a row."""
        self.rows[row.index] = row
        if self._writer:
            self._writer.append(json.dumps(asdict(row)).encode())
            self._writer.sync()

    def _begin(self, folder: Path, header: dict[str, Any]) -> None:
        assert self._writer is not None
        found = [json.loads(payload) for payload in self._writer.found.payloads]
        if not found:
            self._writer.append(json.dumps(header).encode())
            return
        if found[0] != header:
            self._stack.close()
            differing = ", ".join(name for name in header if found[0].get(name) != header[name])
            hint = "give the calibration another folder, or start afresh there"
            raise RunError(explain(f"{folder} holds ranks of something else: {differing} differ", hint=hint))
        self.rows = {row["index"]: _row(row) for row in found[1:]}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _header(identity: str, settings: Settings, kept: int, names: tuple[str, ...]) -> dict[str, Any]:
    deciding = {name: getattr(settings, name) for name in DECIDING}
    return {"identity": identity, **deciding, "kept": kept, "quantities": list(names)}


def _row(fields: dict[str, Any]) -> RankRow:
    return RankRow(**{**fields, "ranks": tuple(fields["ranks"]), "lags": tuple(fields["lags"])})
