"""Polynomial fits whose coefficients are rounded one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import mpmath as mp
import numpy as np

Function = Callable[[mp.mpf], mp.mpf]


def chebyshev_points(low: mp.mpf, high: mp.mpf, count: int) -> list[mp.mpf]:
    """Chebyshev points of the interval, in descending order."""
    low, high = mp.mpf(low), mp.mpf(high)
    angles = [mp.pi * (2 * k + 1) / (2 * count) for k in range(count)]
    return [(low + high) / 2 + (high - low) / 2 * mp.cos(angle) for angle in angles]


def interpolate(function: Function, low: mp.mpf, high: mp.mpf, degree: int) -> list[mp.mpf]:
    """Coefficients, lowest first, of the polynomial through the Chebyshev points: within a few times of minimax."""
    points = chebyshev_points(low, high, degree + 1)
    values = [function(x) for x in points]
    for order in range(1, degree + 1):  # Newton's divided differences, in place
        for k in range(degree, order - 1, -1):
            values[k] = (values[k] - values[k - 1]) / (points[k] - points[k - order])
    coefficients = [values[degree]]
    for k in range(degree - 1, -1, -1):
        shifted = [mp.mpf(0), *coefficients]
        coefficients = [a - points[k] * b for a, b in zip(shifted, [*coefficients, mp.mpf(0)], strict=True)]
        coefficients[0] += values[k]
    return coefficients


def least_squares(basis: list[np.ndarray], target: np.ndarray) -> np.ndarray:
    """Coefficients that minimise |sum(c * column) - target|, by modified Gram-Schmidt.

    Sums are exact (math.fsum), so that every machine finds the same bits; LAPACK would not.
    """
    columns, rest = [column.copy() for column in basis], target.copy()
    count = len(columns)
    triangle, projection = np.zeros((count, count)), np.zeros(count)
    for i in range(count):
        norm = math.fsum(columns[i] * columns[i])
        for k in range(i + 1, count):
            triangle[i, k] = math.fsum(columns[i] * columns[k]) / norm
            columns[k] -= triangle[i, k] * columns[i]
        projection[i] = math.fsum(columns[i] * rest) / norm
        rest -= projection[i] * columns[i]
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, count):
            projection[i] -= triangle[i, k] * projection[k]
    return projection


def lawson(basis: list[np.ndarray], target: np.ndarray, weight: np.ndarray, rounds: int = 40) -> np.ndarray:
    """Coefficients that nearly minimise max(weight * |sum(c * column) - target|), by reweighted least squares."""
    emphasis = np.ones(len(target))
    best, least = np.zeros(len(basis)), math.inf
    for _ in range(rounds):
        scale = np.sqrt(emphasis) * weight
        candidate = least_squares([column * scale for column in basis], target * scale)
        residual = target.copy()
        for coefficient, column in zip(candidate, basis, strict=True):
            residual -= coefficient * column
        error = np.abs(residual * weight)
        if error.max() < least:
            best, least = candidate, error.max()
        emphasis *= error + 1e-3 * error.max()
        emphasis /= math.fsum(emphasis) / len(emphasis)
    return best


def power_of(x: np.ndarray, power: int) -> np.ndarray:
    """x**power by multiplication alone: np.power may differ in the last bit from one machine to another."""
    product = np.ones_like(x)
    for _ in range(power):
        product = product * x
    return product


def fit(
    points: Sequence[mp.mpf],
    target: Sequence[mp.mpf],
    weight: Sequence[mp.mpf],
    powers: Sequence[int],
    rounded: Callable[[mp.mpf], float],
    start: Sequence[mp.mpf] | None = None,
) -> list[float]:
    """Rounded coefficients that nearly minimise max(weight * |sum(c * x**power) - target|).

    Each coefficient is rounded in turn and the rest are fitted again, so that they make up for the rounding. Fits
    to more than double precision correct a good `start`: only the small corrections are computed in double.
    """
    coefficients = list(start) if start is not None else [mp.mpf(0)] * len(powers)
    rest = [
        y - sum((c * x**power for c, power in zip(coefficients, powers, strict=True)), mp.mpf(0))
        for x, y in zip(points, target, strict=True)
    ]
    scale = np.array([float(w) for w in weight])
    x = np.array([float(p) for p in points])
    basis = [power_of(x, power) for power in powers]
    result = []
    for k in range(len(powers)):
        correction = lawson(basis[k:], np.array([float(r) for r in rest]), scale)
        coefficients[k:] = [c + mp.mpf(float(d)) for c, d in zip(coefficients[k:], correction, strict=True)]
        chosen = rounded(coefficients[k])
        result.append(chosen)
        moves = [*correction]
        moves[0] += float(mp.mpf(chosen) - coefficients[k])
        rest = [
            r - sum(mp.mpf(float(m)) * p**q for m, q in zip(moves, powers[k:], strict=True))
            for r, p in zip(rest, points, strict=True)
        ]
    return result


def worst(function: Function, approximation: Function, low: mp.mpf, high: mp.mpf, count: int = 101) -> float:
    """Largest relative error over points that are no Chebyshev points of the fit."""
    points = [low + (high - low) * mp.mpf(k) / (count - 1) for k in range(count)]
    return float(max(abs(approximation(x) / function(x) - 1) for x in points))
