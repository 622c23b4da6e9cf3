"""The systems: the wheel carries them here, a checkout keeps them in its top-level ``models/``."""

import os
from importlib import import_module
from pathlib import Path

_root = Path(__file__).resolve().parents[2]
__path__ += [str(_root / "models")] * (_root / "pyproject.toml").is_file()
__path__ += [folder for folder in os.environ.get("MSCALE_UQ_MODELS", "").split(os.pathsep) if folder]

# A family may live in several of these folders. Python would look into the first alone.
_homes: dict[str, dict[str, None]] = {}
for _init in [init for folder in __path__ for init in Path(folder).resolve().glob("*/__init__.py")]:
    _homes.setdefault(_init.parent.name, {})[str(_init.parent)] = None
for _family, _folders in _homes.items():
    if len(_folders) > 1:
        import_module(f"{__name__}.{_family}").__path__ = list(_folders)
