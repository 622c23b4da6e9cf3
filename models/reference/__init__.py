"""Systems with a known posterior, against which every sampler and filter is held."""
