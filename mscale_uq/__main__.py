"""``python -m mscale_uq`` is ``mscale``."""

from mscale_uq.cli.commands import main

main()
