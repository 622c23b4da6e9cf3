"""Reads damaged copies of a file, in a process of its own: a codec may crash, hang or fill the memory.

Its arguments: the reader's module and function, its options as JSON, the file, seed, and numbers of
truncations and of flips. It writes one line of JSON for every copy; the system ends it at the limits.
"""

import importlib
import json
import resource
import signal
import sys
from pathlib import Path

import numpy as np

from mscale_uq.errors import DataError

MEMORY = 3 * 2**30
SECONDS = 20


def damaged(content: bytes, seed: int, cuts: int, flips: int):
    rng = np.random.default_rng(seed)
    for end in rng.choice(len(content), size=min(cuts, len(content)), replace=False):
        yield f"cut at {end}", content[:end]
    for place, bit in zip(rng.integers(len(content), size=flips), rng.integers(8, size=flips), strict=True):
        changed = bytearray(content)
        changed[place] ^= 1 << int(bit)
        yield f"bit {bit} of byte {place}", bytes(changed)


def outcome(read, path: Path, options):
    """Shape of what was read, or the refusal; anything else that is raised ends the process."""
    try:
        table = read(path, **options)
    except DataError as error:
        return {"refused": str(error)}
    if hasattr(table, "genes"):
        rows = {len(table.cells), len(table.times), len(table.totals), len(table.size_factors)}
        return {"shape": list(table.counts.shape), "rows": sorted(rows | {len(table.counts)})}
    rows = {len(table.cells), len(table.times), len(table.lines), *(len(c.values) for c in table.columns)}
    return {"shape": [len(table.cells), len(table.columns)], "rows": sorted(rows)}


def main(module, function, options, path, seed, cuts, flips):
    read = getattr(importlib.import_module(module), function)
    source = Path(path)
    whole, content, options = (
        outcome(read, source, json.loads(options)),
        source.read_bytes(),
        json.loads(options),
    )
    print(json.dumps({"what": "whole", **whole}), flush=True)
    copy = source.with_name(f"copy{source.suffix}")
    for what, bytes_ in damaged(content, int(seed), int(cuts), int(flips)):
        copy.write_bytes(bytes_)
        signal.alarm(SECONDS)
        print(json.dumps({"what": what, **outcome(read, copy, options)}), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    main(*sys.argv[1:])
