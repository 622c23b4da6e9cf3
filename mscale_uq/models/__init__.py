"""The systems: the wheel carries them here, a checkout keeps them in its top-level ``models/``."""

import os
from pathlib import Path

_root = Path(__file__).resolve().parents[2]
__path__ += [str(_root / "models")] * (_root / "pyproject.toml").is_file()
__path__ += [folder for folder in os.environ.get("MSCALE_UQ_MODELS", "").split(os.pathsep) if folder]
