"""Kernels: weights by name, by formula and from files."""
