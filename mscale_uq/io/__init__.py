"""Readers of what people write: units, tables of measurements, case files."""
