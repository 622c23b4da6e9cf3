"""What the two benchmarks of elliptic inclusions share: the ellipse, the square, its sources and sensors."""

import numpy as np

from mscale_uq.core.parameter import Parameter
from mscale_uq.macro.rectangle import RectangleDiffusion
from mscale_uq.observe.grid_sensors import GridSensors

GLOBAL = (
    Parameter("inclusion_conductivity", "1", 10.0, lower=0, meaning="inside the ellipses"),
    Parameter("matrix_conductivity", "1", 1.0, lower=0, meaning="around them"),
    Parameter("angle", "1", np.pi / 6, meaning="of the long axis to x, in rad"),
    Parameter("aspect_logit", "1", 0.0, meaning="logit of the ratio of the axes, less one"),
)
LEAST, MOST = 0.08, 0.38  # area share of the ellipses
# What the ellipse reads, in its order.
ELLIPSE = ("inclusion_conductivity", "matrix_conductivity", "fraction", "angle", "aspect")


def halton(count, base):
    """Return the first `count` numbers of the radical inverse in a base."""
    numbers = []
    for index in range(1, count + 1):
        number, weight = 0.0, 1.0 / base
        while index:
            index, digit = divmod(index, base)
            number, weight = number + digit * weight, weight / base
        numbers.append(number)
    return np.array(numbers)


X, Y = (tuple(0.05 + 0.9 * halton(30, base)) for base in (2, 3))


def fraction_of(fraction_logit):
    """Area share of the ellipses, inside what a cell can hold."""
    return LEAST + (MOST - LEAST) / (1 + np.exp(-fraction_logit))


def aspect_of(aspect_logit):
    """Ratio of the axes."""
    return 1 + 1 / (1 + np.exp(-aspect_logit))


def elements_of(elements):
    """Return the centres of the square's elements, x running slowly, and their areas."""
    middles = (np.arange(elements) + 0.5) / elements
    centres = np.stack(np.meshgrid(middles, middles, indexing="ij"), axis=-1).reshape(-1, 2)
    return centres, np.full(elements**2, 1 / elements**2)


def sources(elements):
    """Return the two sources at the nodes, times the area of an element."""
    x = np.linspace(0.0, 1.0, elements + 1)
    x, y = np.meshgrid(x, x, indexing="ij")
    upper = 60 * np.exp(-((x - 0.3) ** 2 + (y - 0.7) ** 2) / 0.02)
    return (upper + 90 * np.exp(-((x - 0.65) ** 2 + (y - 0.3) ** 2) / 0.04)) / elements**2


def square(x, y, elements, accuracy):
    """Return the stages from the effective tensor, even or one per element, to readings at (x, y)."""
    shape = (elements, elements)
    return [
        RectangleDiffusion(shape, sources(elements), conductivity="K_eff", accuracy=accuracy),
        GridSensors(shape, (1.0, 1.0), np.stack([x, y], axis=1), output="potential"),
    ]
