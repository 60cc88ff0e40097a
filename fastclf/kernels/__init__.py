"""Every compiled function of the project, and nothing else.

Kernels run on one thread without the GIL, over chunks of rows; who calls them cuts the chunks.
Arrays are C-contiguous, float32 or float64, and already validated.
"""
