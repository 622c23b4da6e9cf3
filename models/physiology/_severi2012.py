"""Equations of the rabbit sinoatrial node cell of Severi et al. (2012): 31 states, 12 currents, two clocks.

Units as published: mV, s, mM, nA, uF, mm^3. The four states of the ryanodine receptor keep their sum for
ever, and in the published start it is 1.12346; here the fourth is written as that sum minus the others, so
that no state is free to drift. Removable singularities (0/0) are gone: x/(e^x - 1) goes through its series
near zero.

Source: S. Severi, M. Fantini, L. A. Charawi, D. DiFrancesco, An updated computational model of rabbit
sinoatrial action potential to investigate the mechanisms of heart rate modulation, J. Physiol. 590 (2012)
4483-4499, doi:10.1113/jphysiol.2012.229435.
"""

import numpy as np

from mscale_uq.solve.kernel import kernel

# The membrane potential comes last: its row and column are full, and eliminated last they fill nothing else.
STATES = (
    "y m h dL fL dT fT q r paF paS pi n a fCa R O I fTC fTMC fTMM fCMi fCMs fCQ "
    "Ca_jsr Ca_nsr Ca_i Na_i Ca_sub V"
).split()
# Relative to the published values.
SCALES = ("g_f", "g_Kr", "P_CaL", "K_NaCa", "P_up", "P_CaT", "k_s", "g_to", "g_Ks", "g_Na", "I_NaK")
DRUGS = ("funny_left", "caesium", "acetylcholine", "isoprenaline")
FUNNY_LEFT, CAESIUM, ACH, ISO, LEVEL = range(len(SCALES), len(SCALES) + len(DRUGS) + 1)  # places in p
START = {
    "y": 0.181334538702, "m": 0.440131579216, "h": 1.36769401401e-5, "dL": 0.0, "fL": 0.497133507286,
    "dT": 0.0, "fT": 0.0, "q": 0.506139850982, "r": 0.0144605370598, "paF": 0.0990510403259,
    "paS": 0.322999177803, "pi": 0.705410877259, "n": 0.0, "a": 0.0, "fCa": 0.69799854326,
    "R": 0.912317231017, "O": 1.7340201253e-7, "I": 7.86181717518e-8, "fTC": 0.0180519400676,
    "fTMC": 0.281244308217, "fTMM": 0.501049376634, "fCMi": 0.0373817991524, "fCMs": 0.054381370046,
    "fCQ": 0.299624275429, "Ca_jsr": 0.316762674605, "Ca_nsr": 1.05386465081, "Ca_i": 1e-5, "Na_i": 7.5,
    "Ca_sub": 1e-5, "V": -52.0,
}  # fmt: skip
RYR_SUM = START["R"] + START["O"] + START["I"] + 0.211148145513

F = 96485.3415
RTF = 8314.472 * 310 / F
C = 3.2e-5
K_O, K_I, NA_O, CA_O, MG_I = 5.4, 140.0, 140.0, 1.8, 2.5
V_CELL = 1e-9 * np.pi * 4**2 * 70
V_SUB = 1e-9 * 2 * np.pi * 0.02 * (4 - 0.02 / 2) * 70
V_I, V_JSR, V_NSR = 0.46 * V_CELL - V_SUB, 0.0012 * V_CELL, 0.0116 * V_CELL
E_K = RTF * np.log(K_O / K_I)


@kernel
def bernoulli(x):
    """Return x/(e^x - 1)."""
    if x.real * x.real < 1e-6:
        return 1 - x / 2 + x * x / 12
    return x / (np.exp(x) - 1)


@kernel
def boltzmann(x):
    """Return 1/(1 + e^x)."""
    return 1 / (1 + np.exp(x))


@kernel
def funny_gate(V, s, ach, iso, d):
    """Activation of the funny current; acetylcholine and isoprenaline shift it."""
    shift = 7.5 * iso
    if ach.real > 0:
        shift = shift - 1 - 9.898 * ach**0.618 / (ach**0.618 + 0.00122423)
    rate = 0.0708 * np.exp(-(V + 5 - shift) / 20.2791) + 10.6 * np.exp((V - shift) / 18)
    d[0] = (boltzmann((V + 52.5 - shift) / 9) - s[0]) * rate / 0.7166529


@kernel
def sodium_gates(V, s, d):
    """Activation and inactivation of the sodium current."""
    d[1] = 2000 * bernoulli(-0.1 * (V + 41)) * (1 - s[1]) - 8000 * np.exp(-0.056 * (V + 66)) * s[1]
    closing = 2000 / (320 * np.exp(-0.1 * (V + 75)) + 1)
    d[2] = 20 * np.exp(-0.125 * (V + 75)) * (1 - s[2]) - closing * s[2]


@kernel
def calcium_gates(V, Ca_sub, s, iso, d):
    """Gates of the L- and T-type calcium currents, the calcium-dependent one among them."""
    shift = -8 * iso
    opening = 0.070975 * bernoulli(-(V + 41.8 - shift) / 2.5) + 0.40752 * bernoulli(-(V + 6.8 - shift) / 4.8)
    closing = 0.028575 * bernoulli((V + 1.8 - shift) / 2.5)
    steady = boltzmann(-(V + 20.3 - shift) / (4.2 * (1 - 0.31 * iso)))
    d[3] = (steady - s[3]) * (opening + closing) / 0.001
    d[4] = (boltzmann((V + 37.4) / 5.3) - s[4]) / (0.0443 + 0.23 * np.exp(-(((V + 36) / 10) ** 2)))
    e = np.exp((V + 38.3) / 30)
    d[5] = (boltzmann(-(V + 38.3) / 5.5) - s[5]) * 1068 * (e + 1 / e)
    rate = 16.67 * np.exp(-(V + 75) / 83.3) + 16.67 * np.exp((V + 75) / 15.38)
    d[6] = (boltzmann((V + 58.7) / 3.8) - s[6]) * rate
    bound = 3.5e-4 / (3.5e-4 + Ca_sub)
    d[14] = (bound - s[14]) / (0.1 * bound)


@kernel
def potassium_gates(V, s, ach, iso, d):
    """Gates of the transient outward, the delayed rectifier and the acetylcholine-activated currents."""
    slow = 65.17 / (0.57 * np.exp(-0.08 * (V + 44)) + 0.065 * np.exp(0.1 * (V + 45.93))) + 10.1
    d[7] = (boltzmann((V + 49) / 13) - s[7]) / (6e-4 * slow)
    fast = 15.59 / (1.037 * np.exp(0.09 * (V + 30.61)) + 0.369 * np.exp(-0.12 * (V + 23.84))) + 2.98
    d[8] = (boltzmann(-(V - 19.3) / 15) - s[8]) / (9.24e-4 * fast)
    steady = boltzmann(-(V + 14.8) / 8.5)
    d[9] = (steady - s[9]) * (30 * np.exp(V / 10) + np.exp(-V / 12))
    d[10] = (steady - s[10]) * (4.2 * np.exp(V / 17) + 0.15 * np.exp(-V / 21.6)) / 0.84655354
    rate = 100 * np.exp(-V / 54.645) + 656 * np.exp(V / 106.157)
    d[11] = (boltzmann((V + 28.6) / 17.1) - s[11]) * rate
    v = V + 14 * iso
    opening = 14 * boltzmann(-(v - 40) / 12)
    rate = 28 * boltzmann(-(v - 40) / 3) + np.exp(-(v - 5) / 25)
    d[12] = (opening / (opening + np.exp(-v / 45)) - s[12]) * rate
    opening = 0.025641 + 0.0 * ach
    if ach.real > 0:
        opening = opening + 3.573159 / (1 + 1.2155e-6 / ach**1.6951)
    d[13] = opening * (1 - s[13]) - 10 * np.exp(0.0133 * (V + 40)) * s[13]


@kernel
def exchanger(u, Ca_sub, Na_i):
    """Sodium-calcium exchanger in nA, six states at rest, at the potential u in RT/F (Kurata's scheme)."""
    inward, outward = np.exp(-0.1369 * u), np.exp(0.21575 * u)
    inner = 1 + Na_i / 395.3 * (1 + Na_i / 2.289 * (1 + Na_i / 26.44))
    inner = inner + Ca_sub / 0.0207 * (1 + inward + Na_i / 26.44)
    outer = 1 + 2 * CA_O / 3.663 + NA_O / 1628 * (1 + NA_O / 561.4 * (1 + NA_O / 4.663))
    k32, k41 = outward, 1 / outward
    k43, k34 = Na_i / (26.44 + Na_i), NA_O / (4.663 + NA_O)
    k12 = Ca_sub / 0.0207 * inward / inner
    k14 = Na_i * Na_i / (395.3 * 2.289) * (1 + Na_i / 26.44) * k32 / inner
    k21 = CA_O / 3.663 / outer
    k23 = NA_O * NA_O / (1628 * 561.4) * (1 + NA_O / 4.663) * k41 / outer
    x1 = k41 * k34 * (k23 + k21) + k21 * k32 * (k43 + k41)
    x2 = k32 * k43 * (k14 + k12) + k41 * k12 * (k34 + k32)
    x3 = k14 * k43 * (k23 + k21) + k12 * k23 * (k43 + k41)
    x4 = k23 * k34 * (k14 + k12) + k14 * k21 * (k34 + k32)
    return 4 * (x2 * k21 - x1 * k12) / (x1 + x2 + x3 + x4)


@kernel
def funny_currents(s, p, E_Na):
    """Sodium and potassium parts of the funny current in nA; ivabradine leaves a share of it."""
    V, open_share = s[29], s[0] * s[0] * K_O / (K_O + 45) * p[0] * p[FUNNY_LEFT]
    if p[CAESIUM].real > 0:
        open_share = open_share * (1 - p[CAESIUM] + p[CAESIUM] * 2.1203 / (2.1203 + np.exp(-0.71 * V / 25)))
    return 0.03 * open_share * (V - E_Na), 0.03 * open_share * (V - E_K)


@kernel
def calcium_currents(s, p):
    """L-type current carried by calcium, potassium and sodium, and the T-type current, in nA."""
    u, Ca_sub, Na_i, ach = s[29] / RTF, s[28], s[27], p[ACH]
    e = np.exp(-u)
    single, double = bernoulli(-u), bernoulli(-2 * u)
    driven = double * (Ca_sub - CA_O * e * e)
    gates = 0.2 * p[2] * s[3] * s[4] * s[14] * (1 + 0.23 * p[ISO]) * (1 - 0.31 * ach / (ach + 9e-5))
    by_K = 3.65e-4 * gates * single * (K_I - K_O * e)
    by_Na = 1.85e-5 * gates * single * (Na_i - NA_O * e)
    return gates * driven, by_K, by_Na, 0.02 * p[5] * driven * s[5] * s[6]


@kernel
def potassium_currents(s, p):
    """Sum of the potassium currents without funny and calcium channels, in nA."""
    V = s[29]
    rapid = 0.0021637 * p[1] * (0.9 * s[9] + 0.1 * s[10]) * s[11]
    slow = 0.0016576 * p[8] * (1 + 0.2 * p[ISO]) * s[12] * s[12]
    transient = 0.002 * p[7] * s[7] * s[8]
    conductance = rapid + slow + transient
    if p[ACH].real > 0:
        conductance = conductance + 0.00864 * (1 + np.exp((V + 20) / 20)) * s[13]
    return conductance * (V - E_K)


@kernel
def currents(s, p):
    """Total current, the part of sodium, and what calcium carries out of the subspace, in nA."""
    V, Na_i, Ca_sub = s[29], s[27], s[28]
    E_Na = RTF * np.log(NA_O / Na_i)
    funny_Na, funny_K = funny_currents(s, p, E_Na)
    by_Ca, by_K, by_Na, T_type = calcium_currents(s, p)
    reversal = RTF * np.log((NA_O + 0.12 * K_O) / (Na_i + 0.12 * K_I))
    fast = 0.0125 * p[9] * s[1] * s[1] * s[1] * s[2] * (V - reversal)
    pump = 0.063 * p[10] * (1 + 0.2 * p[ISO]) / ((1 + (1.4 / K_O) ** 1.2) * (1 + (14 / Na_i) ** 1.3))
    pump = pump * boltzmann(-(V - E_Na + 110) / 20)
    exchange = p[3] * exchanger(V / RTF, Ca_sub, Na_i)
    total = funny_Na + funny_K + by_Ca + by_K + by_Na + T_type + fast + pump + exchange
    sodium = fast + funny_Na + by_Na + 3 * pump + 3 * exchange
    return total + potassium_currents(s, p), sodium, by_Ca + T_type - 2 * exchange


@kernel
def receptor(s, d):
    """Ryanodine receptor: resting, open, inactivated; calcium in the store steers the rates."""
    R, O, I, Ca_sub = s[15], s[16], s[17], s[28]  # noqa: E741  (the field's names)
    store = 15 - 14 / (1 + (0.45 / s[24]) ** 2.5)
    opening, inactivation = 1e4 / store * Ca_sub * Ca_sub, 500 * store * Ca_sub
    RI = RYR_SUM - R - O - I
    d[15] = 5 * RI - inactivation * R - opening * R + 60 * O
    d[16] = opening * R - 60 * O - inactivation * O + 5 * I
    d[17] = inactivation * O - 5 * I - 60 * I + opening * RI


@kernel
def buffers(s, d):
    """Troponin (calcium; magnesium competes), calmodulin in cytosol and subspace, calsequestrin."""
    Ca_i, free = s[26], 1 - s[19] - s[20]
    d[18] = 88800 * Ca_i * (1 - s[18]) - 446 * s[18]
    d[19] = 227700 * Ca_i * free - 7.51 * s[19]
    d[20] = 2277 * MG_I * free - 751 * s[20]
    d[21] = 227700 * Ca_i * (1 - s[21]) - 542 * s[21]
    d[22] = 227700 * s[28] * (1 - s[22]) - 542 * s[22]
    d[23] = 534 * s[24] * (1 - s[23]) - 445 * s[23]


@kernel
def rate(t, s, p, d):  # noqa: ARG001  (autonomous)
    """Fill ds/dt; s in the order of `STATES`, p in that of `SCALES`, `DRUGS` and one that levels read."""
    V, ach, iso = s[29], p[ACH], p[ISO]
    funny_gate(V, s, ach, iso, d)
    sodium_gates(V, s, d)
    calcium_gates(V, s[28], s, iso, d)
    potassium_gates(V, s, ach, iso, d)
    receptor(s, d)
    buffers(s, d)
    total, sodium, calcium = currents(s, p)
    Ca_jsr, Ca_nsr, Ca_i, Ca_sub = s[24], s[25], s[26], s[28]
    release = 2.5e8 * p[6] * s[16] * (Ca_jsr - Ca_sub)
    uptake = 12 * p[4] * (1 + 0.25 * iso - 0.7 * ach / (9e-5 + ach)) / (1 + 6e-4 / Ca_i)
    inward, refill = (Ca_sub - Ca_i) / 4e-5, (Ca_nsr - Ca_jsr) / 0.04
    d[24] = refill - release - 10 * d[23]
    d[25] = uptake - refill * V_JSR / V_NSR
    d[26] = (inward * V_SUB - uptake * V_NSR) / V_I - 0.045 * d[21] - 0.031 * d[18] - 0.062 * d[19]
    d[27] = -sodium / ((V_I + V_SUB) * F)
    d[28] = release * V_JSR / V_SUB - calcium / (2 * F * V_SUB) - inward - 0.045 * d[22]
    d[29] = -total / C


def potential(t, s, p):  # noqa: ARG001
    """Membrane potential above that in the last parameter, in mV."""
    return s[29] - p[LEVEL]


@kernel
def slope(t, s, p):  # noqa: ARG001
    """Change of the membrane potential, dV/dt in mV/s."""
    return -currents(s, p)[0] / C


def curvature(t, s, p):
    """Change of dV/dt along the solution, in mV/s^2, by a difference that is exact to 1e-8 and analytic."""
    d, step = np.empty_like(s), 1e-5
    rate(t, s, p, d)
    near = slope(t, s + step * d, p) - slope(t, s - step * d, p)
    far = slope(t, s + 2 * step * d, p) - slope(t, s - 2 * step * d, p)
    return (8 * near - far) / (12 * step)


def calcium_slope(t, s, p):
    """Change of the calcium concentration in the cytosol, in mM/s."""
    d = np.empty_like(s)
    rate(t, s, p, d)
    return d[26]
