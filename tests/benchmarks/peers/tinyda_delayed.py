"""tinyDA: delayed acceptance on half the elements, adaptive Metropolis; run by `bench_samplers.py`."""

from tinyda_adaptive import main

if __name__ == "__main__":
    main(delayed=True)
