"""Effective -> fields: one macro equation per file."""
