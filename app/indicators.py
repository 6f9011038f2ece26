"""Indicators: one-dimensional float64 arrays in, arrays of the same length out, NaN where there is no value yet."""
