"""Systems whose posteriors are known in closed form."""
