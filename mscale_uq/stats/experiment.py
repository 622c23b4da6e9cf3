"""`Experiment`: a forward model, observations, their laws, and how the model's parameters are bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import LawTerms, ObservationOperator
from mscale_uq.core.parameter import Array
from mscale_uq.core.stage import Named, Values
from mscale_uq.errors import DataError, ParameterError, WiringError, explain, near_match


@final
@dataclass(frozen=True)
class Shared:
    """Binds a model parameter to an unknown of the posterior, to one entry of it (a specimen's own), or to
    several, any of them several times (for each reading the level of its channel).
    """

    name: str
    index: int | tuple[int, ...] | None = None

    def pick(self, values: Values) -> Array:
        """Return the bound value."""
        if isinstance(self.index, tuple):
            return values[self.name][list(self.index)]  # a tuple would pick along several axes
        return values[self.name] if self.index is None else values[self.name][self.index]

    def scatter(self, total: Named, weight: Array) -> None:
        """Add a sensitivity to the unknown, in place."""
        if self.index is None:
            total[self.name] += weight
        elif isinstance(self.index, tuple):
            np.add.at(total[self.name], list(self.index), weight)
        else:
            total[self.name][self.index] += weight


@final
@dataclass(frozen=True)
class Fixed:
    """Binds a model parameter to a number, for this experiment."""

    value: ArrayLike

    def pick(self, values: Values) -> Array:
        """Return the number."""
        return np.asarray(self.value, dtype=float)

    def scatter(self, total: Named, weight: Array) -> None:
        """A number has no sensitivity."""


Binding = Shared | Fixed


@final
class Experiment:
    """One set of measurements and the model that predicts them.

    Parameters
    ----------
    name
        For people.
    model
        Its outputs include every observed quantity.
    observed
        Quantity -> measured array, shaped like the prediction; NaN is a missing value.
    operators
        Quantity -> observation operator, whose law may read further names (an unknown sd).
    bindings
        Model parameter or law name -> `Shared` or `Fixed`. What is not mentioned is shared by its own name.

    Attributes
    ----------
    model
        With the fixed parameters held; `whole` is the model as it was given.

    Raises
    ------
    WiringError, ParameterError
        If a quantity is not an output, or a binding names no parameter.
    """

    def __init__(
        self,
        name: str,
        model: ForwardModel,
        observed: Mapping[str, ArrayLike],
        operators: Mapping[str, ObservationOperator],
        bindings: Mapping[str, Binding] | None = None,
    ) -> None:
        self.name = name
        held = {p: b.value for p, b in (bindings or {}).items() if isinstance(b, Fixed) and p in model.names}
        self.whole = model
        self.model = model.fixed(**held)  # what depends on numbers alone is run once
        self.observed = {quantity: np.array(data, dtype=float) for quantity, data in observed.items()}
        self.operators = {quantity: operators[quantity] for quantity in self.observed}
        for quantity in self.observed:
            if quantity not in model.outputs:
                hint = near_match(quantity, model.outputs)
                raise WiringError(explain(f"{name}: no output {quantity!r}{hint}", ", ".join(model.outputs)))
        law_names = [read for operator in self.operators.values() for read in operator.law.reads]
        self.reads = tuple(
            dict.fromkeys([*model.names, *(r for r in law_names if r not in model.chain.made)])
        )
        for bound in bindings or {}:
            if bound not in self.reads:
                hint = near_match(bound, self.reads)
                raise ParameterError(explain(f"{name}: no parameter {bound!r}{hint}", ", ".join(self.reads)))
        self.bindings: dict[str, Binding] = {
            read: (bindings or {}).get(read, Shared(read)) for read in self.reads
        }
        self._counted = {q: o for q, o in self.operators.items() if np.isfinite(self.observed[q]).any()}
        self._needed = self._model_of(self._counted) if self._counted else None

    def _model_of(self, operators: Mapping[str, ObservationOperator]) -> ForwardModel:
        """Return the model of what these operators read, without what is only predicted."""
        read = [name for operator in operators.values() for name in operator.law.reads]
        asked = dict.fromkeys([*operators, *(f"{quantity}_var" for quantity in operators), *read])
        needed = self.model.only([name for name in asked if name in self.model.chain.made])
        return needed if len(needed.chain.stages) < len(self.model.chain.stages) else self.model

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the posterior's unknowns that this experiment depends on."""
        return tuple(dict.fromkeys(b.name for b in self.bindings.values() if isinstance(b, Shared)))

    def changed(
        self,
        observed: Mapping[str, ArrayLike] | None = None,
        operators: Mapping[str, ObservationOperator] | None = None,
        bindings: Mapping[str, Binding] | None = None,
        model: ForwardModel | None = None,
    ) -> "Experiment":
        """Return the experiment with other data, operators or model, or some other bindings."""
        seen, laws = self.observed if observed is None else observed, operators or self.operators
        whole = self.whole if model is None else model
        known = {*whole.names, *(name for operator in laws.values() for name in operator.law.reads)}
        kept = {name: binding for name, binding in self.bindings.items() if name in known}
        return Experiment(self.name, whole, seen, laws, {**kept, **(bindings or {})})

    def theta(self, values: Values) -> Array:
        """Return the model's parameter vector at the posterior's values."""
        return self.model.pack(self._bound(values, self.model.names))

    def trace(self, values: Values) -> Named:
        """Return every named quantity of the model and the laws at the posterior's values."""
        return {**self._bound(values, self.reads), **self.model.trace(self.theta(values))}

    def terms(self, values: Values) -> dict[str, LawTerms]:
        """Return each quantity's log-density terms, without the derivative through the model."""
        return self._terms(self.trace(values), self.operators)

    def density(self, values: Values) -> float:
        """Return the log-likelihood; what no reading sees is not computed, and cannot fail."""
        if self._needed is None:
            return 0.0
        bound = self._bound(values, self.reads)
        made = self._needed.trace(self._needed.pack(bound))
        terms = self._terms({**bound, **made}, self._counted)
        return sum(law_terms.total for law_terms in terms.values())

    def gradient(self, values: Values, total: Named) -> float:
        """Return `density` and add its derivative to the unknowns into `total`."""
        if self._needed is None:
            return 0.0
        bound = self._bound(values, self.reads)
        made, chain = self._needed.linearize_named(self._needed.pack(bound))
        terms = self._terms({**bound, **made}, self._counted)
        back = chain.vjp(self._cotangents(terms))
        for name in self._needed.names:
            self.bindings[name].scatter(total, back[name])
        for law_terms in terms.values():
            for name, weight in law_terms.d_values.items():
                if name not in self.model.chain.made:
                    self.bindings[name].scatter(total, weight)
        return sum(law_terms.total for law_terms in terms.values())

    def sample(self, values: Values, rng: np.random.Generator) -> Named:
        """Draw replicated data at the posterior's values."""
        known = self.trace(values)
        return {quantity: operator.sample(known, rng) for quantity, operator in self.operators.items()}

    def _terms(self, known: Values, operators: Mapping[str, ObservationOperator]) -> dict[str, LawTerms]:
        for quantity in operators:
            data = self.observed[quantity]
            if np.shape(known[quantity]) != data.shape:
                shapes = f"data of shape {data.shape}, prediction of shape {np.shape(known[quantity])}"
                raise DataError(explain(f"{self.name}: {quantity}: {shapes}", "equal shapes"))
        return {q: operator.logpdf(self.observed[q], known) for q, operator in operators.items()}

    def _cotangents(self, terms: Mapping[str, LawTerms]) -> Named:
        made = self.model.chain.made
        weights: Named = {}
        for quantity, law_terms in terms.items():
            pairs = [(quantity, law_terms.d_prediction), (f"{quantity}_var", law_terms.d_variance)]
            for name, weight in [*pairs, *law_terms.d_values.items()]:
                if name in made or name == quantity:
                    weights[name] = weights[name] + weight if name in weights else weight
        return weights

    def _bound(self, values: Values, names: tuple[str, ...]) -> Named:
        return {name: np.asarray(self.bindings[name].pick(values)) for name in names}
