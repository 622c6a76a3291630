"""Speed of every activation against a copy and against other libraries: ``python -m benchmarks.speed``.

One way through the files: ``cells`` says what is measured and ``arrays`` makes its data; ``subjects`` and the
``peer_*`` files say who computes it; ``timing`` lets them run in turn; ``goals`` judges, ``results`` keeps the figures
as JSON and ``table`` prints them. ``python -m benchmarks.speed.report`` then has ``model`` fit a formula to the
times, ``explain`` put it into words and ``charts`` draw bars, and writes the generated parts of docs/performance.md and
README.md.
"""
