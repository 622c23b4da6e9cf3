"""Samplers, one method per file; the only folder that knows PyMC, PyTensor and nutpie."""
