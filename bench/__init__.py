"""Benchmarks and fault runs against real processes; each prints what it measured, none is part of the product."""
