"""Kernels that are not the C++ core's, one package for each language; they have the core's verbs."""
