"""How kernels are compiled, cached, shared between threads; elementary functions and vectors."""
