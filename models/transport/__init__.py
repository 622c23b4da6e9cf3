"""Transport of heat, mass and charge through structured media."""
