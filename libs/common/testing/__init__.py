"""What tests and benchmarks need beside the product: its own fakes of the edges of others."""
