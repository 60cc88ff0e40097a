"""Engines: one room for each way to take steps that are compiled as a whole.

An engine has its state, its point, and the only call into :mod:`fastclf.kernels.steps`. It reads
:attr:`Objective.arrays <fastclf.objective.Objective.arrays>`, which only data in memory has.
"""
