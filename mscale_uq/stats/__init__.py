"""Priors, experiments and the posterior they make."""
