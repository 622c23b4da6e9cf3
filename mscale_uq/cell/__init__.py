"""From micro-parameters to effective coefficients: one cell problem per file."""
