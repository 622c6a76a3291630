// Which CPU targets this build holds and this processor can run, and the one in use.
#pragma once

#include "kernels.hpp"

namespace rectifier {

/// The targets that can run here, best last; ends with nullptr.
const Kernels* const* available_targets();
/// The target in use: at first the best one.
const Kernels& kernels();
void use_target(const Kernels& target);

/// Other threads may see streaming stores after those that follow. Once for many tiles: for each row of 2500 floats or
/// less it took an eighth of the time.
void stream_fence();

}  // namespace rectifier
