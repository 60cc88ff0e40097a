"""Engines: steps of solvers that are compiled as a whole.

An engine holds its state and calls a kernel of :mod:`fastclf.kernels.steps`, which no other package
does. It reads :attr:`Objective.arrays <fastclf.objective.Objective.arrays>`, which only data in
memory have.
"""
