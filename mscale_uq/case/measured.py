"""What an experiment measures: its files, read or awaited."""

from pathlib import Path

from mscale_uq.case.awaited import Awaited, awaited
from mscale_uq.case.data import DataFile, find_data, read_data, read_together
from mscale_uq.case.form import UNTOLD
from mscale_uq.case.schema import ExperimentSpec
from mscale_uq.core.system import System
from mscale_uq.io.measurements import Measurements
from mscale_uq.io.mistakes import Mistakes

Measured = tuple[tuple[DataFile, ...], Measurements | None, tuple[str, ...], Awaited | None]


def measured(one: ExperimentSpec, system: System, folder: Path, mistakes: Mistakes) -> Measured:
    """Return files, data (None if anything about them is mistaken, which is noted), and what was in them.

    With the files that the experiment waits for, if it follows any: its data are then missing readings.
    """
    if one.data == [UNTOLD]:
        return (), None, (), None
    if one.follow:
        return _awaited(one, system, folder, mistakes)
    before, files = len(mistakes), []
    for given in one.data:
        with mistakes.in_data(f"experiment.{one.name}.data"):
            files.append(find_data(given, folder))
    if len(files) < len(one.data) and (not files or read_together(one.reader)):
        return tuple(files), None, (), None
    data, said = None, tuple[str, ...]()
    with mistakes.in_data(f"experiment.{one.name}.data"):
        data, said = read_data(files, system, one.reader)
    return tuple(files), data if len(mistakes) == before else None, said, None


def _awaited(one: ExperimentSpec, system: System, folder: Path, mistakes: Mistakes) -> Measured:
    found: list[Awaited] = []
    missing: list[Measurements] = []
    with mistakes.at(f"experiment.{one.name}.data"):
        found.append(awaited(one, system, folder))
    with mistakes.at(f"experiment.{one.name}"):
        missing += [waits.missing() for waits in found]
    return (), missing[0] if missing else None, (), found[0] if found else None
