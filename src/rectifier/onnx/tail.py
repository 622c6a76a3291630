"""Polynomials for the upper tail of the normal distribution. Written by tools/tables/make_onnx_gelu.py."""

from typing import NamedTuple

__all__ = ["TAILS", "Tail"]


class Tail(NamedTuple):
    """Q(t) = exp(-t**2 / 2) * P(q) / (1 + t / 2), q = (t - k) / (t + k), for 0 <= t <= reach.

    `coefficients` are P's, the highest power first. Multiples of 1 / `steps` have exact squares. The exponential is
    computed as exp(shift - t**2 / 2), so that its bits survive where Q itself is subnormal.
    """

    k: float
    reach: float
    steps: float
    shift: float
    coefficients: tuple[float, ...]


TAILS = {
    "float32": Tail(
        4.0,
        16.0,
        256.0,
        32.0,
        (
            6.115885298640933e-06,
            0.00026581782731227577,
            0.00012074939149897546,
            -0.0022678764071315527,
            0.004736931063234806,
            -0.0006607089308090508,
            -0.021555127575993538,
            0.06918896734714508,
            -0.13355053961277008,
            0.2832319438457489,
        ),
    ),
    "float64": Tail(
        6.0,
        40.0,
        1048576.0,
        128.0,
        (
            -5.2636884510675965e-09,
            -7.606745822898682e-09,
            5.427918348627769e-08,
            2.5027799044020656e-08,
            -4.445707571055215e-07,
            5.376982126629281e-07,
            2.4461224076343873e-06,
            -1.0435663338197116e-05,
            8.642076347233473e-06,
            6.593245763643908e-05,
            -0.0003443106861035432,
            0.0009611015779353331,
            -0.0018209457312494042,
            0.002200214124224796,
            -0.00038940011890664503,
            -0.0062310363822872875,
            0.020340817651205687,
            -0.043139713289364286,
            0.07282145900645118,
            -0.10411104788139516,
            0.2591172572977874,
        ),
    ),
}
