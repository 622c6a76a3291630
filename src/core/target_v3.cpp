#define RECTIFIER_TARGET v3
#include "target.hpp"
