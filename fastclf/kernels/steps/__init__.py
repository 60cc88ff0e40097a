"""Whole steps of solvers, compiled as one function each."""
