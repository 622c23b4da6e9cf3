"""``python -m mscale_uq`` is ``mscale``."""

from mscale_uq.cli import main

main()
