#define RECTIFIER_TARGET baseline
#include "target.hpp"
