// The numbers that a formula needs besides x. Independent of the CPU target.
#pragma once

namespace rectifier {

struct Parameters {
  double slope;
  double lower;
  double upper;
};

}  // namespace rectifier
