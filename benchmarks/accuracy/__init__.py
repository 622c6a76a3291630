"""Accuracy of every activation, value and gradient, in units in the last place: ``python -m benchmarks.accuracy``.

One way through the files: ``inputs`` (which x) and ``cases`` (which functions, which bounds) make up the work of
``walk``, which asks ``subjects`` for results and ``oracle`` for the truth; ``report`` and ``figures`` write
docs/accuracy.md.
"""
