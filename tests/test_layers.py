"""The layer law: who may import whom, as a table, and no cycles."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mscale_uq"

GROUND = {"errors", "files"}
CORE = GROUND | {"core"}
SOLVE = CORE | {"solve"}
MODEL_PARTS = {"cell", "macro", "observe", "stats"}
METHODS = SOLVE | MODEL_PARTS
DIAGNOSE = METHODS | {"infer", "filters", "diagnose"}
IO = DIAGNOSE | {"io"}
MIDDLE = {"catalog", "case", "results", "stream"}

# folder (or file of the package root) -> what it may import
MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "core": CORE,
    "solve": SOLVE,
    "cell": SOLVE | {"cell"},
    "macro": SOLVE | {"macro"},
    "observe": SOLVE | {"observe"},
    "stats": SOLVE | {"stats"},
    # siblings: neither knows the other, and neither knows a cell or a macro equation
    "infer": SOLVE | {"observe", "stats", "infer"},
    "filters": SOLVE | {"observe", "stats", "filters"},
    "diagnose": METHODS | {"infer", "filters", "diagnose"},
    "io": IO,
    "catalog": IO | {"catalog", "models"},
    "case": IO | MIDDLE,
    "results": IO | MIDDLE,
    "stream": IO | MIDDLE,
    "report": IO | MIDDLE | {"report"},
    "run": IO | MIDDLE | {"report", "run"},
    "cli": IO | MIDDLE | {"report", "run", "cli"},
    "__main__": {"cli"},
    # a system never imports another system; what a family shares lies in models/<family>/_<source>.py
    "models": SOLVE | MODEL_PARTS,
}
# Who knows a library whose next generation will be another one: what a move to it has to look at.
KNOWN_TO = {
    # the model of a posterior, its compiled density, and one file for each of PyMC's samplers
    "pymc": {f"infer.{name}" for name in "to_pymc density nuts slice demetropolisz smc toolchain".split()},
    # the operators that put a likelihood into its graph
    "pytensor": {f"infer.{name}" for name in "op shear_graph to_pymc toolchain".split()},
    "nutpie": set(),  # an extra: `infer.nutpie` asks for it when it is wanted
    "arviz": {f"results.{name}" for name in "idata result summary candidate".split()},
}


def layer_of(module: str) -> str:
    """``mscale_uq.macro.mesh`` -> ``macro``."""
    return module.split(".")[1]


def dotted(path: Path) -> str:
    """``mscale_uq/macro/mesh.py`` -> ``mscale_uq.macro.mesh``, a package's ``__init__.py`` -> the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def sources() -> dict[str, Path]:
    """Return every module but the package root, which imports what it likes and which nobody imports."""
    inside = {dotted(path): path for path in PACKAGE.rglob("*.py")}
    systems = {f"mscale_uq.{dotted(path)}": path for path in (ROOT / "models").rglob("*.py")}
    return {name: path for name, path in {**inside, **systems}.items() if name != "mscale_uq"}


SOURCES = sources()


def imports(path: Path) -> set[str]:
    """Return what a file imports; a module of ours that is taken from its package by its own name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & SOURCES.keys()
            if not names <= SOURCES.keys():
                found.add(node.module or "")
    return found


def test_a_module_taken_from_its_package_is_an_import_of_the_module(tmp_path):
    path = tmp_path / "one.py"
    path.write_text("from mscale_uq.infer import worker\nfrom mscale_uq.files import frame\nimport numpy\n")
    assert imports(path) == {"mscale_uq.infer.worker", "mscale_uq.files", "numpy"}


def test_packages_are_looked_at_as_modules_are():
    assert {"mscale_uq.io", "mscale_uq.models", "mscale_uq.models.cells"} <= SOURCES.keys()


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_only_what_lies_below_it(module):
    layer = layer_of(module)
    for name in imports(SOURCES[module]):
        if name.split(".")[0] != "mscale_uq":
            continue
        assert name != "mscale_uq", f"{module} imports the package root: import the defining module"
        below = layer_of(name)
        if layer == "models" and below == "models":
            shared = name.split(".")
            assert shared[2] == module.split(".")[2], f"{module} imports another family"
            assert shared[3].startswith("_"), f"{module} imports another system, {name}"
            continue
        assert below in MAY_IMPORT[layer], f"{module} ({layer}) must not import {name}"


@pytest.mark.parametrize("module", SOURCES)
def test_inference_libraries_stay_in_their_place(module):
    own = module.removeprefix("mscale_uq.")
    for root in {name.split(".")[0] for name in imports(SOURCES[module])} & KNOWN_TO.keys():
        assert own in KNOWN_TO[root], f"{module} imports {root}"


@pytest.mark.parametrize("library", KNOWN_TO)
def test_who_is_said_to_know_a_library_does(library):
    for module in KNOWN_TO[library]:
        roots = {name.split(".")[0] for name in imports(SOURCES[f"mscale_uq.{module}"])}
        assert library in roots, f"{module} does not import {library} any more"


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_dangerous_is_called(module):
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {
                "eval",
                "exec",
                "pickle.load",
                "pickle.loads",
                "yaml.load",
                "sympy.sympify",
            }, module


def test_there_is_no_import_cycle():
    graph = {module: {name for name in imports(path) if name in SOURCES} for module, path in SOURCES.items()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for below in graph[module]:
                visit(below, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", SOURCES)
def test_a_file_says_one_thing(module):
    assert len(SOURCES[module].read_text().splitlines()) <= 300
