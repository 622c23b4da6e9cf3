"""Growth, regulation and drug response of cells."""
