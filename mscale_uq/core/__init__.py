"""The words of the package: parameters, stages, implicit couplings, dynamics, forward models, systems."""
