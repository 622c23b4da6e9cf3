"""Counter-based random numbers: the same key and words give the same stream, on every machine."""

import numpy as np


def generator(key: int, *words: int) -> np.random.Generator:
    """Return a generator that depends only on the key and the words (interval, purpose, member, ...).

    Random stages and filters draw from it, so that chunking, resuming and replaying change nothing.
    """
    sequence = np.random.SeedSequence([int(key), *(int(word) for word in words)])
    return np.random.Generator(np.random.Philox(sequence))
