"""A case of a film of five layers whose homogenised model is learned to be off."""

from mscale_uq.models.transport.biofilm_layers import DEPTHS, SYSTEM

FILM = """
system = "transport/biofilm_layers"
seed = 5

[[experiment]]
name = "film"
data = ["profile.csv", "uptake.csv"]
options = { elements = 16 }

[fixed]
matrix_diffusivity = "1.2e-9 m^2/s"
cluster_fraction = 0.6
surface_concentration = "250 umol/L"
diffusivity_bias = 1.0

[law]
concentration = { sd = "2 umol/L" }
uptake = { sd = "5 nmol/(m^2 s)" }

[prior]
cluster_diffusivity = { dist = "lognormal", median = "2e-10 m^2/s", factor = 4 }
uptake_rate = { dist = "lognormal", median = "0.01 1/s", factor = 10 }

[method]
sampler = "laplace"
draws = 200
tune = 0
chains = 1
cores = 0
"""


LEARN = """
[approximation_error]
against = "resolved"
options = [{ periods = 5, cluster_first = true }, { periods = 5, cluster_first = false }]
over = "posterior"
draws = 60
rounds = 2
"""


TRUTH = {"cluster_diffusivity": 2e-10, "uptake_rate": 0.01}


def film_case(folder, text):
    """Data without noise from five pairs of layers."""
    theta = {parameter.name: parameter.default for parameter in SYSTEM.parameters} | TRUTH
    known = SYSTEM.resolved(theta, DEPTHS, periods=5)
    rows = zip(map(float, DEPTHS), known["concentration"].tolist(), strict=True)
    (folder / "profile.csv").write_text(
        "depth [m],concentration [mol/m^3]\n" + "".join(f"{d!r},{c!r}\n" for d, c in rows)
    )
    (folder / "uptake.csv").write_text(f"uptake [mol/(m^2 s)]\n{float(known['uptake'])!r}\n")
    (folder / "film.toml").write_text(text)
    return folder / "film.toml"
