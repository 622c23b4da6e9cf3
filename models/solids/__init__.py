"""Solids: stress, strain and damage."""
