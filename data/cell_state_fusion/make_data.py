"""Make a movie and four sequenced dishes: run it in this folder, ``python make_data.py``.

Every reaction of every cell is simulated as it happens (D. T. Gillespie, J. Phys. Chem. 81 (1977) 2340-2361,
doi:10.1021/j100540a008); the models that are fitted know means and covariances only. The movie is written as
TrackMate exports its spots, the dishes as anndata writes them, through h5py.
"""

import h5py
import numpy as np
from numba import njit

SEED = 20261126
TRANSCRIPTION, MRNA_DECAY, TRANSLATION, PROTEIN_DECAY = 2.0, np.log(2) / 5, 4.0, np.log(2) / 30  # 1/min
GAIN, BACKGROUND, BLEACHING = 1.5, 100.0, 1e-5  # counts per protein, counts, 1/min
READ_NOISE, SHOT, SEGMENTATION = 20.0, 0.05, 0.03  # counts, counts, share
CAPTURE, OVERDISPERSION = 0.1, 0.05
CELLS, FRAMES, INTERVAL = 4, 577, 5.0  # min
DISHES = {1: 60.0, 2: 360.0, 3: 1080.0, 4: 2160.0}  # min
SEQUENCED, DISH_SD, DEPTH_SD = 200, 0.1, 0.3
GENES = ("reporter", "housekeeping_1", "housekeeping_2")
CHANGE = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
HEADER = [
    "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS,VISIBILITY,"
    "MEAN_INTENSITY_CH1,STD_INTENSITY_CH1",
    "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius,Visibility,Mean intensity ch1,Std intensity ch1",
    "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R,Visibility,Mean ch1,Std ch1",
    ",,,(quality),(micron),(micron),(micron),(min),,(micron),,(counts),(counts)",
]


@njit
def simulate(transcription, times, rng, protein=True):
    """Return numbers of mRNA and protein ``(cells, times, 2)`` of cells that begin with nothing."""
    cells = len(transcription)
    state, now, seen = np.zeros((cells, 2)), np.zeros(cells), np.zeros((cells, len(times), 2))
    hazards, then = np.empty((cells, 4)), np.empty(cells)
    for t, time in enumerate(times):
        running = np.arange(cells)
        while running.size:
            for i in running:
                m, p = state[i]
                making = TRANSLATION * m if protein else 0.0
                hazards[i] = transcription[i], MRNA_DECAY * m, making, PROTEIN_DECAY * p
                for k in range(1, 4):  # their running sums
                    hazards[i, k] += hazards[i, k - 1]
                then[i] = now[i] + rng.exponential(1 / hazards[i, 3])
            going = np.empty_like(running)
            count = 0
            for i in running:
                mark = rng.random() * hazards[i, 3]
                now[i] = min(then[i], time)
                if then[i] < time:
                    pick = 0
                    while mark > hazards[i, pick]:
                        pick += 1
                    state[i] += CHANGE[pick]
                    going[count] = i
                    count += 1
            running = going[:count]
        seen[:, t] = state
    return seen


def movie(rng):
    """Write movie.csv; return the true numbers of the last frame."""
    times = INTERVAL * np.arange(FRAMES)
    path = simulate(np.full(CELLS, TRANSCRIPTION), times, rng, True)
    signal = GAIN * np.exp(-BLEACHING * times) * path[:, :, 1]
    sd = np.sqrt(READ_NOISE**2 + SHOT * signal + (SEGMENTATION * signal) ** 2)
    reading = BACKGROUND + signal + sd * rng.standard_normal(signal.shape)
    place = 100 + 30 * np.arange(CELLS)[:, None] + 0.2 * rng.standard_normal((CELLS, FRAMES)).cumsum(axis=1)
    lost, blank = rng.random(signal.shape) < 0.02, rng.random(signal.shape) < 0.01
    rows, spot = list(HEADER), 1000
    for frame, time in enumerate(times):
        for cell in range(CELLS):
            spot += 1
            if lost[cell, frame]:
                continue
            mean = "\u00f8" if blank[cell, frame] else f"{reading[cell, frame]:.1f}"
            x, y = place[cell, frame], place[-1 - cell, frame]
            rows.append(
                f"ID{spot},{spot},{cell},{5 + frame % 3}.0,{x:.2f},{y:.2f},0.0,{time},{frame},5.0,1,{mean},"
                f"{sd[cell, frame]:.1f}"
            )
    with open("movie.csv", "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(rows) + "\n")
    return path[:, -1]


def dish(number, time, rng):
    """Write dish_<number>.h5ad; return the dish's offset."""
    offset = DISH_SD * rng.standard_normal()
    faster = np.full(SEQUENCED, TRANSCRIPTION * np.exp(offset))
    mrna = simulate(faster, np.array([time]), rng, False)[:, 0, 0]
    depth = rng.lognormal(0.0, DEPTH_SD, SEQUENCED)
    depth = depth / depth.mean()
    chance = CAPTURE * depth * rng.gamma(1 / OVERDISPERSION, OVERDISPERSION, SEQUENCED)
    counts = np.stack(
        [
            rng.binomial(mrna.astype(int), np.minimum(chance, 1.0)),
            rng.poisson(30 * depth),
            rng.poisson(8 * depth),
        ],
        axis=1,
    )
    with h5py.File(f"dish_{number}.h5ad", "w", track_order=True) as file:
        mark(file, "anndata", "0.1.0")
        for name in ("X", "layers", "obs", "obsm", "obsp", "raw", "uns", "var", "varm", "varp"):
            if name not in ("X", "raw"):
                mark(file.create_group(name), "dict", "0.1.0")
        normalised = np.log1p(1000 * counts / counts.sum(axis=1, keepdims=True))
        sparse(file.create_group("X"), normalised.astype(np.float32))
        sparse(file["layers"].create_group("counts"), counts.astype(np.int32))
        frame(file["obs"], [f"dish{number}_cell{cell:03d}" for cell in range(SEQUENCED)])
        frame(file["var"], GENES)
        column(file["obs"], "time", np.full(SEQUENCED, time / 60))  # h
        column(file["obs"], "size_factors", depth)
        categorical(file["obs"], "batch", [str(number)] * SEQUENCED)
    return offset


def mark(place, kind, version):
    """Say how something is stored."""
    place.attrs["encoding-type"], place.attrs["encoding-version"] = kind, version


def sparse(group, matrix):
    """Write a matrix row by row, as its entries that are not zero."""
    rows, columns = np.nonzero(matrix)
    mark(group, "csr_matrix", "0.1.0")
    group.attrs["shape"] = np.array(matrix.shape)
    group["data"] = matrix[rows, columns]
    group["indices"] = columns.astype(np.int32)
    group["indptr"] = np.concatenate([[0], np.bincount(rows, minlength=len(matrix)).cumsum()]).astype(
        np.int32
    )


def frame(group, names):
    """Make a group a table with an index of names."""
    mark(group, "dataframe", "0.2.0")
    group.attrs["_index"], group.attrs["column-order"] = "_index", np.array([], dtype=h5py.string_dtype())
    text(group, "_index", names)


def text(group, name, words):
    """Write words."""
    group.create_dataset(name, data=np.array(words, dtype=object), dtype=h5py.string_dtype())
    mark(group[name], "string-array", "0.2.0")


def column(group, name, values):
    """Write numbers as a column of a table."""
    group[name] = values
    mark(group[name], "array", "0.2.0")
    listed(group, name)


def categorical(group, name, words):
    """Write words as a column of categories."""
    part = group.create_group(name)
    mark(part, "categorical", "0.2.0")
    part.attrs["ordered"] = False
    known = sorted(set(words))
    text(part, "categories", known)
    part["codes"] = np.array([known.index(word) for word in words], dtype=np.int8)
    mark(part["codes"], "array", "0.2.0")
    listed(group, name)


def listed(group, name):
    """Add a column's name to the table's list."""
    names = [*group.attrs["column-order"], name]
    group.attrs["column-order"] = np.array(names, dtype=h5py.string_dtype())


def main():
    """Write all files and print what no file says."""
    rng = np.random.default_rng(SEED)
    last = movie(rng)
    print("mRNA and protein in the last frame:", last.astype(int).tolist())
    for number, time in DISHES.items():
        print(f"dish {number}: offset {dish(number, time, rng):.4f}")


if __name__ == "__main__":
    main()
