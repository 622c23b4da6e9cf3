"""``mscale doctor``: what is installed, what the machine gives, and what is slow and why."""

import os
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mscale_uq.cli.shell import FAILED, Debug, Finding, tell, told

if TYPE_CHECKING:
    from mscale_uq.diagnose.machine import Share

PACKAGE = "mscale_uq"
FOR_PEOPLE = ("nutpie", "omics", "imaging", "umbridge", "serve", "distributed", "notebooks")
SLOW_IMPORT, SLOW_SYNC = 10.0, 0.2  # seconds
EXAMPLE = "transport/biofilm_layers"  # the quickest of the shipped finite-element models


def doctor(debug: Debug = False) -> None:
    """Look at the installation and the machine.

    Says what is missing, what is slow, and why.
    """
    with told(debug):
        healthy = tell(findings())
    if not healthy:
        raise typer.Exit(FAILED)


def findings() -> Iterator[Finding]:
    """Look at everything; takes some seconds, most of them to import PyMC."""
    from mscale_uq.diagnose.machine import share_of_processor

    yield Finding(True, "program", f"mscale_uq {version(PACKAGE)} in {Path(__file__).resolve().parents[1]}")
    yield Finding(True, "Python", f"{platform.python_version()}, {platform.platform()}")
    yield from libraries(requires(PACKAGE) or ())
    share = share_of_processor()
    yield from _machine(share)
    yield from _compilers(share.is_crowded)
    yield disk(Path.cwd())
    yield from models(os.environ.get("MSCALE_UQ_MODELS", ""))
    yield _speed()


def libraries(required: Iterable[str]) -> Iterator[Finding]:
    """Hold what is installed against what is required, and say which extras are there."""
    from packaging.requirements import Requirement

    found, wrong, extras = [], [], dict.fromkeys(FOR_PEOPLE, True)
    for one in map(Requirement, required):
        asked_by = [extra for extra in FOR_PEOPLE if one.marker and one.marker.evaluate({"extra": extra})]
        own = _version(one.name)
        fits = own is not None and one.specifier.contains(own, prereleases=True)
        if one.marker is None:
            found.append(f"{one.name} {own}")
            wrong += [] if fits else [f"{one.name} {own or 'is not there'}, needed is {one.specifier}"]
        for extra in asked_by:
            extras[extra] &= fits
    yield Finding(True, "libraries", ", ".join(found))
    for line in wrong:
        yield Finding(False, "library", f"{line}; hint: pip install --upgrade {PACKAGE}")
    yield Finding(None, "extras", ", ".join(e for e, whole in extras.items() if whole) or "none")
    missing = [extra for extra, whole in extras.items() if not whole]
    if missing:
        hint = f"hint, if needed: pip install '{PACKAGE}[{missing[0]}]'"
        yield Finding(None, "extras not there", f"{', '.join(missing)}; {hint}")


def disk(folder: Path) -> Finding:
    """Say whether draws can be kept in a folder, and how fast."""
    from mscale_uq.diagnose.machine import sync_seconds

    what = "disk of this folder"
    try:
        seconds = sync_seconds(folder)
    except OSError as error:
        return Finding(False, what, f"{error.strerror}: {folder}; hint: --out FOLDER says where a run goes")
    text = f"{1e3 * seconds:.2g} ms to keep a file safe"
    hint = "; a run does so once a second; hint: --out FOLDER on a local disk"
    return Finding(seconds < SLOW_SYNC, what, text if seconds < SLOW_SYNC else text + hint)


def models(folders: str) -> Iterator[Finding]:
    """Say what is found in the folders of private systems, and what is overlooked."""
    from mscale_uq.catalog import names, summaries

    yield Finding(None, "systems", f"{len(names())}")
    for name, said in summaries().items():
        if said.startswith("(cannot be read"):
            yield Finding(False, "systems", f"{name} {said}")
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).is_dir():
            hint = "hint: correct MSCALE_UQ_MODELS, or `mscale new NAME` makes it"
            yield Finding(False, "private systems", f"{folder} is no folder; {hint}")
        for family in sorted({path.parent for path in Path(folder).glob("*/*.py")}):
            if not (family / "__init__.py").is_file():
                hint = "hint: touch __init__.py there"
                yield Finding(False, "private systems", f"{family} is overlooked: no __init__.py; {hint}")


def _machine(share: "Share") -> Iterator[Finding]:
    from mscale_uq.diagnose.machine import usable_cores

    cores = usable_cores()
    load = os.getloadavg()[0]
    yield Finding(None, "cores", f"{cores:g} for this program of {os.cpu_count()}; load {load:.1f}")
    if share.is_crowded:
        text = f"one thread got {share.threads:.0%} of a core: other programs are busy, chains will be slow"
        yield Finding(None, "threads", f"{text}; hint: --cores 1, or wait")
        return
    text = f"linear algebra keeps {share.threads:.1f} cores busy here; chains take one each"
    yield Finding(True, "threads", text)


def _compilers(crowded: bool) -> Iterator[Finding]:
    from mscale_uq.infer.toolchain import toolchain
    from mscale_uq.solve.ensemble_kernels import __file__ as kernels

    tools = toolchain()
    yield imported(tools.seconds, tools.busy, crowded)
    without = "none: DEMetropolisZ, SMC and slice start slowly; hint: install g++"
    yield Finding(True if tools.compiler else None, "C++ compiler", tools.compiler or without)
    yield kept("compiled samplers", tools.cache)
    numba = os.environ.get("NUMBA_CACHE_DIR")
    yield kept("compiled kernels", Path(numba) if numba else Path(kernels).parent / "__pycache__")


def imported(seconds: float, busy: float, crowded: bool) -> Finding:
    """Say how long PyMC takes to import, and why if that is long: no core, or a slow disk."""
    text = f"imported in {seconds:.1f} s, and so in every chain"
    if seconds <= SLOW_IMPORT:
        return Finding(True, "PyMC", text)
    if crowded:
        return Finding(None, "PyMC", f"{text}; it had a core for {busy:.1f} s of them: see threads")
    return Finding(False, "PyMC", f"{text}; slow: is Python on a network disk?")


def kept(what: str, folder: Path) -> Finding:
    """Say whether compiled code can be kept in a folder, so that it is compiled once."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(place, os.W_OK | os.X_OK):
        return Finding(True, what, f"kept in {folder}")
    hint = "hint: NUMBA_CACHE_DIR and PYTENSOR_FLAGS=base_compiledir=.. name other folders"
    return Finding(False, what, f"{folder} cannot be written: compiled anew in every run; {hint}")


def _speed() -> Finding:
    from mscale_uq.catalog import load_system
    from mscale_uq.diagnose.cost import cost

    model = load_system(EXAMPLE).forward()
    theta = model.theta()
    weight = model.value(theta)
    once = cost(lambda: model.value(theta), lambda: model.linearize(theta)[1].vjp(weight), budget=0.5)
    return Finding(None, "speed", f"{1e3 * once.gradient:.2g} ms for value and gradient of {EXAMPLE}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
