"""The movie of cells that divide, written as a tracker and as a table of one's own."""

from dividing import BRANCHES, CASE, HEADER


def write(folder, lines, case=CASE):
    folder.mkdir(exist_ok=True)
    (folder / "movie.csv").write_text(HEADER + "".join(lines))
    (folder / "case.toml").write_text(case)
    return folder / "case.toml"


def own_table(lines):
    """Return the same movie with a column for every coordinate of the system."""
    times = {name: 5.0 * first - 2.5 for name, (_, first, _) in BRANCHES.items()}
    rows = [line.strip().split(",") for line in lines]
    return "time [h],cell [1],parent [1],born [min],intensity [1]\n" + "".join(
        f"{float(t) / 60!r},{name},{mother},{times[name]},{light}\n" for name, mother, t, light in rows
    )


def as_own_table(folder, table):
    """Write a case on a table with a column for every coordinate."""
    path = write(folder, [])
    (folder / "movie.csv").write_text(table)
    path.write_text("\n".join(line for line in CASE.splitlines() if not line.startswith("reader")))
    return path
