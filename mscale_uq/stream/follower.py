"""`Follower`: a filter that follows a stream, with every step in a journal.

What is believed depends on the records alone: not on the order in which they came (if late ones are
replayed), not on how they were cut into batches, not on how often the run was interrupted.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import final

import numpy as np

from mscale_uq.core.observation import Observation
from mscale_uq.core.stage import Named
from mscale_uq.errors import DataError, InputError, explain
from mscale_uq.filters.apart import numbered
from mscale_uq.filters.loop import Assimilation
from mscale_uq.filters.records import Verdict
from mscale_uq.stream.delivery import Delivery
from mscale_uq.stream.journal import LAST, Journal
from mscale_uq.stream.ladder import kept
from mscale_uq.stream.message import Message, contradiction, digest, parse
from mscale_uq.stream.policy import Policy
from mscale_uq.stream.readings import Absent, Learn, Read, in_order, merged, nothing_absent
from mscale_uq.stream.row import row_of
from mscale_uq.stream.states import pack, unpack
from mscale_uq.stream.watermark import Watermark

SECONDS = 1.0  # between two commits


@final
class Follower:
    """A run that follows a stream.

    Parameters
    ----------
    journal
        Its memory; a journal that holds a run of the same identity is gone on with.
    start
        The assimilation before any record; its key is the seed of all random numbers.
    read
        Makes an observation from a message, or raises an `InputError`.
    policy
        What becomes of late records.
    identity
        What decides the numbers, part by part.
    learn
        Says what a message tells for good, or raises an `InputError`.
    absent
        Says why something that is read is not there, by all that has been told for good by now. Such a
        record is refused, also if that is told after it.

    Attributes
    ----------
    now
        The assimilation after the last analysis.

    Raises
    ------
    RunError
        If the journal is that of another run.
    """

    def __init__(
        self,
        journal: Journal,
        start: Assimilation,
        read: Read,
        policy: Policy,
        identity: Mapping[str, str],
        learn: Learn | None = None,
        absent: Absent = nothing_absent,
    ) -> None:
        self.now, self._first, self._learn, self._absent = start, start, learn, absent
        self._journal, self._start, self._read, self._policy = journal, start, read, policy
        journal.claim(identity)
        self._load()

    def take(self, source: str, deliveries: Sequence[Delivery]) -> None:
        """Take in what a source delivered, and everything that is due by then.

        Raises
        ------
        DataError
            If a record came before with another content, or is late and that is an error; what came before
            it has been taken in.
        SolveFailed, Infeasible
            From the model; nothing of the batch has been taken in.
        """
        stop: DataError | None = None
        with self._whole():
            dirty, known = math.inf, self.now.values
            for delivery in deliveries:
                try:
                    dirty = min(dirty, self._accept(delivery))
                except DataError as error:
                    stop = error
                    break
                self._journal.put_position(source, delivery.position)
            self._journal.put_fact("watermark", self._mark.as_json())
            if self.now.values is not known:
                dirty = min(dirty, self._set_aside())
            self._rewind(dirty)
            done = self._advance(self._mark.reached)
        self._go_on(done, lambda: self._mark.reached)
        if stop is not None:
            raise stop

    def settle(self) -> None:
        """Take in everything that waits for others to come before it."""
        self._go_on(False, lambda: math.inf)

    def _go_on(self, done: bool, until: Callable[[], float]) -> None:
        while not done:
            with self._whole():
                done = self._advance(until())

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Commit the block as a whole; if it fails, forget what was done in it."""
        try:
            with self._journal.transaction():
                yield
        except BaseException:
            self._load()
            raise

    def _load(self) -> None:
        """Take the run up from the journal."""
        self._mark = Watermark(self._policy, self._journal.fact("watermark"))
        self._late = [*self._journal.late(), *map(tuple, self._journal.fact("reopened") or [])]
        known = self._journal.fact("known") or {}
        self._knows({name: np.array(given) for name, given in known.items()})
        self._head()

    def _knows(self, values: Named) -> None:
        """Go on with what has been told for good."""
        self._start = replace(self._first, values={**self._first.values, **values})
        self.now = replace(self.now, values=self._start.values)

    def _head(self) -> None:
        checkpoint = self._journal.checkpoint()
        state = self._start.state if checkpoint is None else unpack(checkpoint[1])
        self._begun = checkpoint is not None
        self._since = 0
        self.now = replace(self._start, state=state)

    def _accept(self, delivery: Delivery) -> float:
        """Put a record into the journal, and return from which time on it changes what is believed."""
        message, reached = delivery.message, self._mark.reached
        if self._is_copy(delivery):
            return math.inf
        if message is None:
            return self._refuse(delivery, Verdict.CONVERSION_FAILED, delivery.reason)
        try:
            observed = self._read(message)
            self._check_apart(observed)
            told = self._learn(message, self.now.values) if self._learn else None
        except InputError as error:
            return self._refuse(delivery, Verdict.CONVERSION_FAILED, str(error))
        reason = "" if message.qc else self._absent(observed, told.values if told else self.now.values)
        if reason:  # what it tells for good holds, so that the order of records does not matter
            when = self._refuse(delivery, Verdict.CONVERSION_FAILED, reason)
        else:
            when = self._place(delivery, message, observed)
            if when == math.inf:
                return when
        if told is None:
            return when
        self._knows(told.values)
        self._journal.put_fact("known", {name: given.tolist() for name, given in told.values.items()})
        self._reopen(told.since, min(when, reached))
        return min(when, told.since)

    def _is_copy(self, delivery: Delivery) -> bool:
        """Whether the record came before, which is counted; under its name, nothing else may come."""
        name, digest = _name(delivery)
        known = self._journal.digest(name)
        if known is not None and known != digest:
            raise DataError(contradiction(name, self._journal.text(name) or "", delivery.said))
        if known is not None and delivery.counted:
            self._journal.count_copy(name)
        return known is not None

    def _check_apart(self, observed: Observation) -> None:
        """Refuse one more than its source tells apart at a time, before it is taken in."""
        if observed.covariates:
            near = (math.nextafter(observed.time, way) for way in (-math.inf, math.inf))
            there = (self._read(parse(text)) for _, text in self._journal.texts(*near))
            numbered(self.now.space, self.now.values, (*there, observed))

    def _set_aside(self) -> float:
        """Refuse what has been read and, by what is known now, was not there; return the first time of it."""
        wrong = []
        for when, text in self._journal.texts(-math.inf, math.inf):
            message = parse(text)
            reason = self._absent(self._read(message), self.now.values)
            if reason:
                wrong.append((when, message.name, reason))
        for _, name, reason in wrong:
            self._journal.refuse(name, int(Verdict.CONVERSION_FAILED), reason)
        first = min((when for when, _, _ in wrong), default=math.inf)
        self._reopen(first, self._mark.reached)
        return first

    def _reopen(self, since: float, until: float) -> None:
        """Note that times which had been reached have changed, without a late record of theirs."""
        if since < until:
            self._late.append((since, until))
            noted = self._journal.fact("reopened") or []
            self._journal.put_fact("reopened", [*noted, (since, until)])

    def _place(self, delivery: Delivery, message: Message, observed: Observation) -> float:
        when = observed.time
        if message.qc:
            return self._refuse(delivery, Verdict.INCOMING_QC, f"qc = {message.qc}")
        late_at = self._mark.reached if when < self._mark.reached else None
        if late_at is not None and self._policy.late == "error":
            given = f"record {message.name} of time {when:g} is late: {late_at:g} has been reached"
            raise DataError(explain(given, "times in order", 'late = "replay" takes it in its place'))
        reason = self._too_late(when, late_at)
        if reason:
            return self._refuse(delivery, Verdict.TOO_LATE, reason)
        self._journal.add_record(message.name, message.digest, message.text, time=when, late_at=late_at)
        if late_at is not None:
            self._late.append((when, late_at))
        if not self._policy.aside & {message.source, observed.source}:
            self._mark.see(message.source, when)
        return when

    def _too_late(self, when: float, late_at: float | None) -> str:
        if when < self._start.state.time:
            return f"before the start at {self._start.state.time:g}"
        if late_at is not None and self._policy.late == "drop":
            return f"late: {late_at:g} had been reached"
        if when < self._mark.latest - self._policy.history:
            return f"older than the history: {self._mark.latest:g} had been reached"
        return ""

    def _refuse(self, delivery: Delivery, verdict: Verdict, reason: str) -> float:
        name, digest = _name(delivery)
        self._journal.add_record(name, digest, delivery.said, verdict=int(verdict), reason=reason)
        return math.inf

    def _rewind(self, dirty: float) -> None:
        """Go back to before a time, if it was passed."""
        if self._begun and dirty <= self.now.state.time:
            self._journal.rewind(dirty)
            self._head()

    def _advance(self, until: float) -> bool:
        """Take in what is due before a time; return whether all of it was, within a second."""
        deadline, done = time.monotonic() + SECONDS, True
        after = self.now.state.time if self._begun else -math.inf
        for _, rows in groupby(self._journal.texts(after, until), key=itemgetter(0)):
            self._analyse([text for _, text in rows])
            if time.monotonic() > deadline:
                done = False
                break
        if self._since:
            self._checkpoint()
        return done

    def _analyse(self, texts: Sequence[str]) -> None:
        messages = in_order(parse(text) for text in texts)
        read = merged(self._read(message) for message in messages)
        ordered = sorted(read, key=attrgetter("source"))  # as a step's record has them
        observations = numbered(self.now.space, self.now.values, ordered)
        before = self.now.predict_to(observations[0].time)
        self.now, info = before.update(*observations)
        row = row_of(before, self.now, info, observations, [message.name for message in messages])
        self._journal.put_step(info.time, self._revision(info.time), row)
        self._begun = True
        self._since += 1
        if self._since == self._policy.checkpoint_every:
            self._checkpoint()

    def _revision(self, when: float) -> int:
        """Return how often a time changed after it had been reached: by late records, and by divisions."""
        return sum(late <= when < reached for late, reached in self._late)

    def _checkpoint(self) -> None:
        self._journal.put_checkpoint(self.now.state.time, pack(self.now.state))
        numbers = self._journal.numbers()
        self._journal.drop_checkpoints(set(numbers) - set(kept(numbers, LAST)))
        self._since = 0


def _name(delivery: Delivery) -> tuple[str, str]:
    """Return the name of a record and the hash of its content."""
    if delivery.message is not None:
        return delivery.message.name, delivery.message.digest
    return (digest(delivery.text),) * 2
