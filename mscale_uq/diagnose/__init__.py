"""Checks a person can run before and after sampling."""
