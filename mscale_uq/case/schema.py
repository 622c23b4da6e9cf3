"""The form of a case file: which keys there are, and of which type."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mscale_uq.case.fields import (
    Cells,
    Changes,
    Choice,
    Count,
    Files,
    HoldOut,
    Label,
    Names,
    Number,
    Numbers,
    Points,
    Sampler,
    Shape,
    Switch,
)
from mscale_uq.case.filter_names import FILTERS

MOST_SEED = 2**63 - 1  # what a file of results can hold


Size = Annotated[int, Field(ge=1, strict=True)]
# Told to editors; the reader has a better message than pydantic's for a name that is none.
FilterName = Annotated[
    str, Field(json_schema_extra={"oneOf": [{"const": n, "description": d} for n, d in FILTERS.items()]})
]


class Section(BaseModel):
    """A table of a case file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LawSpec(Section):
    """The noise law of one output; a level is a number in the output's unit, or the name of an unknown.

    With `per`, an unknown level has one entry for each place along these coordinates. Of sequenced cells,
    ``pseudobulk`` reads one number of each dish, its mean count, and ``factorial_moments`` two, the mean of
    count (count - 1) beside it, freed of `overdispersion` (a number); both as sure as the cells scatter.
    """

    law: Literal[
        "gaussian",
        "student_t",
        "fluorescence",
        "negative_binomial",
        "pseudobulk",
        "factorial_moments",
        "lognormal",
    ] = "gaussian"
    sd: Numbers | None = None
    relative: Number | None = None
    df: Number | None = None
    per: Names | None = None
    shot: Number | None = None
    background: Number | None = None
    background_sd: Number | None = None
    saturation: Number | None = None
    detection_limit: Number | None = None
    overdispersion: Number | None = None


class ReaderSpec(Section):
    """How files that another program wrote are read: their format, and which of their columns is what."""

    format: Literal["trackmate", "trackmate xml", "btrack", "csv", "h5ad", "ome-tiff"]
    columns: Annotated[dict[str, str], Field(min_length=1)]
    cells: Cells | None = None  # names, or numbers from the first to the last: "0..299"
    units: dict[str, str] = {}
    frame_interval: str | None = None
    separator: str = ","
    channel: Annotated[int, Field(ge=0, strict=True)] = 0
    time: str = "time"
    time_unit: str | None = None
    times: dict[str, float] | None = None
    layer: str | None = None
    size_factors: str | None = None
    batch: str | None = None
    most_bytes: Size | None = None
    most_entries: Size | None = None
    most_pixels: Size | None = None


class ExperimentSpec(Section):
    """One set of measurements: its files, the model's options, and what its parameters are bound to."""

    name: Label
    data: Files
    follow: Switch = False  # whether the files come or grow while the case is assimilated
    reader: ReaderSpec | None = None
    options: dict[str, Choice] = {}
    fixed: dict[str, Numbers] = {}
    bind: dict[str, str] = {}
    law: dict[str, LawSpec] = {}
    hold_out: HoldOut = False


class DiscrepancySpec(Section):
    """What the model of one output misses, as a curve along coordinates of its readings."""

    along: Names
    amplitude: Number
    length: Numbers
    kernel: Literal["squared exponential", "exponential"] = "squared exponential"
    zero_value: Points = []
    zero_slope: Points = []


class ApproximationSpec(Section):
    """From which better model, and over which draws, the error of the used one is learned."""

    against: Literal["resolved", "finer"]
    options: Changes = [{}]
    over: Literal["prior", "posterior"] = "posterior"
    draws: Annotated[int, Field(ge=2, strict=True)] = 50
    rounds: Count | None = None


class ScaleSpec(Section):
    """How the resolved solver is set, and at how many posterior draws it judges the homogenised model."""

    options: Changes = [{}]
    draws: Count = 5


class PriorSpec(Section):
    """A prior: a family with its arguments, or with an interval and its mass."""

    dist: str
    mean: Number | None = None
    sd: Number | None = None
    mu: Number | None = None
    sigma: Number | None = None
    rate: Number | None = None
    alpha: Number | None = None
    beta: Number | None = None
    lower: Number | None = None
    upper: Number | None = None
    mass: Number | None = None
    median: Number | None = None
    factor: Number | None = None
    shape: Shape | None = None
    unit: str | None = None


class MethodSpec(Section):
    """How the posterior is sampled."""

    sampler: Sampler = "auto"
    draws: Count = 1000
    tune: Annotated[int, Field(ge=0, strict=True)] = 1000
    chains: Count = 4
    cores: Annotated[int, Field(ge=0, strict=True)] | None = None
    target_accept: Annotated[float, Field(gt=0, lt=1)] = 0.9
    coordinates: Literal["effective", "plain"] = "effective"
    levels: Changes | None = None
    subchain: Count | None = None


class AssimilateSpec(Section):
    """How the data are taken in one after the other by a filter."""

    filter: FilterName
    experiment: Names | None = None
    members: Annotated[int, Field(ge=2, strict=True)] | None = None
    learn: list[str] = []
    drift: dict[str, Number] = {}
    at: dict[str, Numbers] = {}
    inflation_on_anomalies: Annotated[float, Field(gt=0)] | None = None
    inflation_on_variance: Annotated[float, Field(gt=0)] | None = None
    inflation_when: Literal["prior", "posterior"] | None = None
    relax_to_prior_spread: Annotated[float, Field(ge=0, le=1)] | None = None
    lag: Annotated[int, Field(ge=0, strict=True)] | None = None
    alphas: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = None
    most_lost: Annotated[float, Field(ge=0, le=1)] | None = None
    evaluate: list[str] = []
    limits: dict[str, Numbers] = {}
    localisation_half_width: Number | None = None
    rotation: Switch | None = None
    jitter: Annotated[float, Field(ge=0)] | None = None
    outlier_sd: Annotated[float, Field(gt=0)] | None = None
    smooth: Switch = False


class StreamSpec(Section):
    """What becomes of readings that come while they are made; `source` holds those that are sent as lines."""

    source: str | None = None
    format: Literal["jsonl", "csv"] | None = None
    columns: dict[str, str] = {}
    late: Literal["replay", "drop", "error"] = "replay"
    reorder_window: Number | dict[str, Number] = 0.0  # one for all senders, or by sender
    history: Number | None = None
    checkpoint_every: Count = 20
    snapshots: list[str] = []


class ExpectSpec(Section):
    """Expected numbers: the truth behind synthetic data, or a published mean and sd."""

    truth: Number | None = None
    within: Number = "95 %"
    mean: Number | None = None
    sd: Number | None = None
    tolerance: Number | None = None


class CaseSpec(Section):
    """A case file."""

    system: str
    question: str = ""
    name: Label | None = None
    seed: Annotated[int, Field(ge=0, le=MOST_SEED, strict=True)] = 0
    experiment: Annotated[list[ExperimentSpec], Field(min_length=1)]
    options: dict[str, Choice] = {}
    fixed: dict[str, Numbers] = {}
    law: dict[str, LawSpec] = {}
    discrepancy: dict[str, DiscrepancySpec] = {}
    approximation_error: ApproximationSpec | None = None
    scale_check: ScaleSpec | None = None
    prior: dict[str, PriorSpec] = {}
    method: MethodSpec = MethodSpec()
    assimilate: AssimilateSpec | None = None
    stream: StreamSpec | None = None
    expect: dict[str, ExpectSpec] = {}
    run: Annotated[dict[str, Any], Field(description="written by a run, not read")] = {}


SECTIONS: dict[str, type[Section]] = {
    "reader": ReaderSpec,
    "law": LawSpec,
    "discrepancy": DiscrepancySpec,
    "approximation_error": ApproximationSpec,
    "scale_check": ScaleSpec,
    "prior": PriorSpec,
    "method": MethodSpec,
    "assimilate": AssimilateSpec,
    "stream": StreamSpec,
    "expect": ExpectSpec,
}
