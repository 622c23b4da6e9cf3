"""A case file: what it says, checked, and the posterior it stands for."""
