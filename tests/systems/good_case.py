"""The good case into which mistakes are planted."""

import tomllib
from pathlib import Path

PLANTED = tomllib.loads((Path(__file__).parents[1] / "planted_mistakes.toml").read_text())
GOOD, FILES = PLANTED["good"]["case"], PLANTED["good"]["files"]


def written(tmp_path, text=GOOD, **files):
    for name, content in {**FILES, **{f"{stem}.csv": text for stem, text in files.items()}}.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "line.toml").write_text(text)
    return tmp_path / "line.toml"
