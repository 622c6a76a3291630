// Reference values of the activations and their derivatives, and error counts in units in the last place (ULP).
// It shares nothing with the kernels it judges: the definitions in the table of activations, by the C library's exp,
// expm1 and erfc in double for float32 results, and in binary128 arithmetic for everything else. oracle.py builds this file and calls the functions at its end.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__LDBL_MANT_DIG__) && __LDBL_MANT_DIG__ == 113
using quad = long double;
static quad exp_quad(quad x) { return std::exp(x); }
static quad expm1_quad(quad x) { return std::expm1(x); }
static quad erfc_quad(quad x) { return std::erfc(x); }
static quad sqrt_quad(quad x) { return std::sqrt(x); }
static quad scale_quad(quad x, int exponent) { return std::ldexp(x, exponent); }
static int exponent_quad(quad x) { return std::ilogb(x); }
#define QUAD(digits) digits##L
#else
#include <quadmath.h>
using quad = __float128;
static quad exp_quad(quad x) { return expq(x); }
static quad expm1_quad(quad x) { return expm1q(x); }
static quad erfc_quad(quad x) { return erfcq(x); }
static quad sqrt_quad(quad x) { return sqrtq(x); }
static quad scale_quad(quad x, int exponent) { return ldexpq(x, exponent); }
static int exponent_quad(quad x) { return ilogbq(x); }
#define QUAD(digits) digits##Q
#endif

namespace {

constexpr quad pi = QUAD(3.14159265358979323846264338327950288420);
constexpr quad root_half = QUAD(0.70710678118654752440084436210484903928);     // 1 / sqrt(2)
constexpr quad pdf_at_zero = QUAD(0.39894228040143267793994605993438186848);  // 1 / sqrt(2 pi)
// Around the root of a derivative: relative accuracy needs more than the working precision there.
constexpr double root_window = 0.0625;

// ---- Reference -----------------------------------------------------------------------------------------------------

quad exponential(quad x) { return exp_quad(x); }
quad exponential_minus_1(quad x) { return expm1_quad(x); }
quad square_root(quad x) { return sqrt_quad(x); }

// What float32 results are compared with is computed in this type: 64 bits, so that the rounding of an exponent of 100
// does not count. Its functions are those of double, with a correction for what the argument has more.
#if defined(__LDBL_MANT_DIG__) && __LDBL_MANT_DIG__ == 113
using wide = quad;
#else
using wide = long double;
wide exponential(wide x) {
    const double near = static_cast<double>(x);
    const wide rest = x - near;
    return rest == 0 || rest != rest ? std::exp(near) : std::exp(near) * (1 + rest);
}
wide exponential_minus_1(wide x) {
    const double near = static_cast<double>(x);
    const wide rest = x - near;
    return rest == 0 || rest != rest ? std::expm1(near) : std::expm1(near) + std::exp(near) * rest;
}
wide square_root(wide x) { return std::sqrt(x); }
#endif

// The rounding error of z = -x / sqrt(2) would grow by 2 z^2 <= 212 in erfc(z): the first derivative takes it back.
double normal_cdf(double x) {
    constexpr double factor = static_cast<double>(root_half);
    constexpr double factor_rest = static_cast<double>(root_half - static_cast<quad>(factor));
    constexpr double slope = 0.56418958354775628695;  // 1 / sqrt(pi) = |erfc'(0)| / 2
    const double z = -x * factor;
    const double half = 0.5 * std::erfc(z);
    if (!(std::fabs(z) < 28.0)) return half;
    const double rest = std::fma(-x, factor, -z) - x * factor_rest;
    return half - slope * std::exp(-z * z) * rest;
}
quad normal_cdf(quad x) { return scale_quad(erfc_quad(-x * root_half), -1); }
#if !defined(__LDBL_MANT_DIG__) || __LDBL_MANT_DIG__ != 113
wide normal_cdf(wide x) { return normal_cdf(static_cast<double>(x)); }  // of a float, or far out
#endif

// x^2 / 2 is exact: twice float's 24 bits fit in a double, twice double's 53 in a quad.
template <class R>
R normal_density(R x) {
    return static_cast<R>(pdf_at_zero) * exponential(-x * x / 2);
}

// Written by definitions.py: define_value, define_derivative and root_of, by the number of a row of the table.
#include "definitions.hpp"

// A definition on the whole line. Where it has no value, at an infinity, it is taken far out; where it underflows to
// zero below -16, it has the sign that it has there.
template <class R, class F>
R extended(const F& f, R x) {
    const R result = f(x);
    if (result != result && x == x) return extended(f, x < 0 ? R(-1e30) : R(1e30));
    if (result == 0 && x < -16) return std::signbit(static_cast<double>(f(R(-16)))) ? -R(0) : R(0);
    return result;
}

template <class R>
using Working = std::conditional_t<std::is_same_v<R, double>, wide, R>;

template <class R, class X>
void fill(R* out, const X* x, std::size_t n, int function, int is_derivative, double slope) {
    const auto value = [=](auto at) { return define_value<decltype(at)>(function, slope, at); };
    const auto derivative = [=](auto at) { return define_derivative<decltype(at)>(function, slope, at); };
    const double root = root_of(function);
    for (std::size_t i = 0; i < n; ++i) {
        if (!is_derivative) {
            out[i] = static_cast<R>(extended<Working<R>>(value, x[i]));
        } else if (std::fabs(x[i] - root) < root_window) {
            out[i] = static_cast<R>(derivative(static_cast<quad>(x[i])));
        } else {
            out[i] = static_cast<R>(extended<Working<R>>(derivative, x[i]));
        }
    }
}

// ---- Comparison ----------------------------------------------------------------------------------------------------

struct Format {
    int precision;  // bits of the significand, the leading one included
    int min_exponent;
    int max_exponent;
};

}  // namespace

// oracle.py mirrors this struct.
struct Tally {
    double max_ulp;       // largest error, and the x it belongs to
    double max_at;
    double sum_ulp;       // over 2^-24 < |x| < 16, where the functions are not trivial
    std::int64_t summed;
    std::int64_t count;
    std::int64_t misrounded;  // not the nearest number of the format, ties to even
    std::int64_t wrong;       // NaN, infinity or a sign (that of zero too) that is not the reference's
    double wrong_at;
    double max_root;      // next to the root, if one is given: largest absolute error in units of 2^-53
    double root_at;
};

namespace {

template <class To, class From>
To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "sizes differ");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// Spacing of float32 around r is a power of two; its reciprocal turns a difference into ULP without a division.
double reciprocal_spacing_float(double r) {
    constexpr int shift = 52, lowest = 1023 - 126, highest = 1023 + 127;
    std::int64_t exponent = (bits<std::int64_t>(r) >> shift) & 0x7ff;
    exponent = exponent < lowest ? lowest : exponent;
    exponent = exponent > highest ? highest : exponent;
    return bits<double>((2 * 1023 + 23 - exponent) << shift);
}

// From here on, |r| rounds to infinity.
constexpr double float_overflow = 0x1.ffffffp127;

// 1 for a result of the wrong kind, whatever its distance.
int is_wrong(double y, double r, bool overflows) {
    const bool y_nan = y != y, r_nan = r != r;
    const bool y_infinite = std::fabs(y) > std::numeric_limits<double>::max();
    const bool r_infinite = std::fabs(r) > std::numeric_limits<double>::max();
    const bool signs_differ = (bits<std::int64_t>(y) ^ bits<std::int64_t>(r)) < 0;
    return (y_nan != r_nan) | ((signs_differ | (y_infinite & !overflows) | (r_infinite & !y_infinite)) & !r_nan & !y_nan);
}

bool is_summed(double x) { return std::fabs(x) > 0x1p-24 && std::fabs(x) < 16.0; }

// Infinite and NaN differences are is_wrong's business.
double ulp_float(double y, double r) {
    const double error = std::fabs(y - r) * reciprocal_spacing_float(r);
    return error <= std::numeric_limits<double>::max() ? error : 0.0;
}

void compare_float(const float* x, const float* y, const double* r, std::size_t n, Tally& tally) {
    double largest = 0, sum = 0;
    std::int64_t summed = 0, wrong = 0, misrounded = 0;
#pragma omp simd reduction(max : largest) reduction(+ : sum, summed, wrong, misrounded)
    for (std::size_t i = 0; i < n; ++i) {
        const double error = ulp_float(y[i], r[i]);
        const bool counts = is_summed(x[i]);
        largest = error > largest ? error : largest;
        sum += counts ? error : 0.0;
        summed += counts;
        wrong += is_wrong(y[i], r[i], std::fabs(r[i]) >= float_overflow);
        misrounded += (static_cast<float>(r[i]) != y[i]) & !(r[i] != r[i]);
    }
    tally.sum_ulp += sum;
    tally.summed += summed;
    tally.count += static_cast<std::int64_t>(n);
    tally.misrounded += misrounded;
    if (largest > tally.max_ulp) {
        tally.max_ulp = largest;
        for (std::size_t i = 0; i < n; ++i) {
            if (ulp_float(y[i], r[i]) == largest) tally.max_at = x[i];
        }
    }
    for (std::size_t i = 0; wrong && tally.wrong == 0 && i < n; ++i) {
        if (is_wrong(y[i], r[i], std::fabs(r[i]) >= float_overflow)) {
            tally.wrong_at = x[i];
            break;
        }
    }
    tally.wrong += wrong;
}

quad magnitude(quad x) { return x < 0 ? -x : x; }

// Spacing of the format's numbers around a finite r.
quad spacing(quad r, const Format& format) {
    int exponent = r == 0 ? format.min_exponent : exponent_quad(r);
    exponent = exponent < format.min_exponent ? format.min_exponent : exponent;
    exponent = exponent > format.max_exponent ? format.max_exponent : exponent;
    return scale_quad(1, exponent - format.precision + 1);
}

// y / unit is exact; a number that is not a multiple of the unit stands in the binade below, too far away.
bool is_even(double y, quad unit) {
    const quad half_steps = static_cast<quad>(y) / unit / 2;
    return half_steps == static_cast<quad>(std::nearbyint(static_cast<double>(half_steps)));
}

void compare_quad(const double* x, const double* y, const quad* r, std::size_t n, const Format& format, double root,
                  Tally& tally) {
    const quad overflow = scale_quad(2 - scale_quad(1, -format.precision), format.max_exponent);
    tally.count += static_cast<std::int64_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
        const bool overflows = magnitude(r[i]) >= overflow;
        const double near = static_cast<double>(r[i]);
        // An absolute bound lets the sign change a little beside the root.
        const bool next_to_root = std::fabs(x[i] - root) < root_window;  // never for NaN
        if (is_wrong(next_to_root ? std::copysign(y[i], near) : y[i], near, overflows)) {
            if (tally.wrong++ == 0) tally.wrong_at = x[i];
            ++tally.misrounded;
            continue;
        }
        if (r[i] != r[i] || y[i] - y[i] != 0) continue;  // NaN or infinite, and right
        const quad unit = spacing(r[i], format);
        const quad difference = magnitude(static_cast<quad>(y[i]) - r[i]);
        const double error = static_cast<double>(difference / unit);
        if (2 * difference > unit || (2 * difference == unit && !is_even(y[i], unit))) ++tally.misrounded;
        if (next_to_root) {
            const double absolute = static_cast<double>(scale_quad(difference, 53));
            if (absolute > tally.max_root) {
                tally.max_root = absolute;
                tally.root_at = x[i];
            }
            continue;
        }
        if (is_summed(x[i])) {
            tally.sum_ulp += error;
            ++tally.summed;
        }
        if (error > tally.max_ulp) {
            tally.max_ulp = error;
            tally.max_at = x[i];
        }
    }
}

}  // namespace

extern "C" {

void oracle_reference_float(double* out, const float* x, std::size_t n, int function, int is_derivative, double slope) {
    fill(out, x, n, function, is_derivative, slope);
}

void oracle_reference_quad(quad* out, const double* x, std::size_t n, int function, int is_derivative, double slope) {
    fill(out, x, n, function, is_derivative, slope);
}

void oracle_compare_float(const float* x, const float* y, const double* reference, std::size_t n, Tally* tally) {
    compare_float(x, y, reference, n, *tally);
}

void oracle_compare_quad(const double* x, const double* y, const quad* reference, std::size_t n, const Format* format,
                         double root, Tally* tally) {
    compare_quad(x, y, reference, n, *format, root, *tally);
}

// Error in ULP of each element, for the figures.
void oracle_errors_float(double* out, const float* y, const double* reference, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) out[i] = ulp_float(y[i], reference[i]);
}

// A quad as the sum of two doubles, for Python.
void oracle_split_quad(double* high, double* low, const quad* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        high[i] = static_cast<double>(x[i]);
        low[i] = static_cast<double>(x[i] - static_cast<quad>(high[i]));
    }
}

const char* oracle_compiler() {
#ifdef __clang__
    return __VERSION__;
#else
    return "GCC " __VERSION__;
#endif
}

}  // extern "C"
