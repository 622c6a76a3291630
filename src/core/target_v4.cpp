#define RECTIFIER_TARGET v4
#include "target.hpp"
