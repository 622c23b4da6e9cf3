"""What a derivative costs beside its value, for every smooth system: `python bench_gradient.py`.

Both are timed in turn in one process, so the ratio hardly depends on the machine; nothing is timed whose
derivative does not keep the contract. Goal: at most 1.5 for steady models of two scales, 1.2 where a
factorisation serves value, tangent and adjoint.
"""

import one_thread  # noqa: F401

# isort: split

import numpy as np

from mscale_uq.catalog import load_system, names
from mscale_uq.core.forward import ForwardModel
from mscale_uq.diagnose.cost import Cost, cost
from mscale_uq.diagnose.gradient import check_gradient

ROUNDS = 3
GOALS = {
    "transport/heat_conduction": 1.2, "transport/biofilm_layers": 1.2, "transport/porous_medium": 1.5,
    "reference/inclusions": 1.5, "reference/graded_inclusions": 1.5, "reference/laplace64": 1.5,
    "electrochemistry/solid_electrolyte": 1.5, "solids/fe2_composite": 1.2,
}  # fmt: skip


def best(model: ForwardModel) -> Cost:
    """Return the round with the lowest ratio: what else runs on the machine only adds."""
    theta = model.theta()
    checked = check_gradient(model, theta, np.random.default_rng(0))
    assert checked.ok, checked
    weights = np.ones(model.value(theta).size)

    def gradient() -> object:
        return model.linearize(theta)[1].vjp(weights)

    return min((cost(lambda: model.value(theta), gradient) for _ in range(ROUNDS)), key=lambda c: c.ratio)


def main() -> None:
    """Print one row per smooth system."""
    print(f"{'system':32s} {'value':>10s} {'gradient':>10s} {'ratio':>6s} {'goal':>5s}")
    for name in names():
        system = load_system(name)
        if system.smoothness != "smooth":
            continue
        found = best(system.forward())
        times = f"{found.value * 1e3:7.2f} ms {found.gradient * 1e3:7.2f} ms"
        print(f"{name:32s} {times} {found.ratio:6.2f} {GOALS.get(name, ''):>5}")


if __name__ == "__main__":
    main()
