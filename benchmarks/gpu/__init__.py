"""Speed on a GPU: the Triton kernels against torch, eager and compiled, and against the copy that the device can do.

``python -m benchmarks.gpu`` measures, prints a table and writes one JSON file to ``benchmarks/results``.
"""
