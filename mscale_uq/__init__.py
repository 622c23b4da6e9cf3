"""Bayesian calibration and data assimilation of multiscale models."""

__version__ = "0.1.0"
