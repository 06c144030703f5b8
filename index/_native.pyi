"""Kernels of lexmax.index; numpy twins in lexmax.index.oracle."""
