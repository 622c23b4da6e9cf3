"""`OneBlock`: linear dynamics that keep to themselves which parts of the state do not move each other."""

from mscale_uq.core.linear_dynamics import LinearDynamics


class OneBlock(LinearDynamics):
    """The naive way: the same moves, by matrices of the whole state."""

    def __init__(self, inner):
        self.name, self.state, self.inputs = inner.name, inner.state, inner.inputs
        self.shapes, self.autonomous, self.inner = inner.shapes, inner.autonomous, inner

    def transitions(self, intervals, values):
        """As inside."""
        return self.inner.transitions(intervals, values)

    def stacked(self, start, stop, values, count):
        """As inside."""
        return self.inner.stacked(start, stop, values, count)

    def linearize_transitions(self, intervals, values):
        """As inside."""
        return self.inner.linearize_transitions(intervals, values)
