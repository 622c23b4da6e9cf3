"""The systems: the wheel carries them here, a checkout keeps them in its top-level ``models/``."""

import os
from pathlib import Path

_checkout = Path(__file__).resolve().parents[2] / "models"
_private = os.environ.get("MSCALE_UQ_MODELS", "").split(os.pathsep)
__path__ += [str(_checkout)] * _checkout.is_dir() + [folder for folder in _private if folder]
