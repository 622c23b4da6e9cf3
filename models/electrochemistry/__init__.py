"""Batteries and their parts."""
