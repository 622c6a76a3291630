// Sums in pairs, and the one rounding from a sum in double to an element.
#pragma once

#include <cstddef>

#include "kernels.hpp"

namespace rectifier {

/// A sum in pairs, whose order depends on n alone.
double pairwise(const double* terms, std::size_t n);

/// Writes value to an element of the type, rounded once.
void write_rounded(Type type, char* to, double value);

}  // namespace rectifier
