#pragma once
/// Forward-mode dual numbers: a value and N directional derivatives.
///
/// Cells write their pointwise equations once, templated on the scalar; evaluated on duals they give the partials D_a and D_s
/// of design section "a recurrent cell is defined once". Derivatives of tanh and sigmoid come from the argument, never as
/// 1 - tanh^2 of a saturated value, so they keep relative accuracy out to |a| = 350.

#include <cmath>
#include <type_traits>

#include "aelle/base/random.hpp"  // AELLE_HOST_DEVICE

namespace aelle {

/// 1 - tanh(a)^2 = 4 e / (1 + e)^2 with e = exp(-2|a|).
template <class T>
AELLE_HOST_DEVICE inline T tanh_derivative(T a)
    requires std::is_floating_point_v<T>
{
    const T e = std::exp(T(-2) * std::fabs(a));
    const T s = T(1) + e;
    return T(4) * e / (s * s);
}

/// So that a cell's equations find it for plain numbers as they do for dual ones.
template <class T>
AELLE_HOST_DEVICE inline T tanh(T a)
    requires std::is_floating_point_v<T>
{
    return std::tanh(a);
}

/// 1 / (1 + exp(-a)), without overflow.
template <class T>
AELLE_HOST_DEVICE inline T sigmoid(T a)
    requires std::is_floating_point_v<T>
{
    const T e = std::exp(-std::fabs(a));
    return (a >= T(0) ? T(1) : e) / (T(1) + e);
}

/// sigmoid(a) (1 - sigmoid(a)) = e / (1 + e)^2 with e = exp(-|a|).
template <class T>
AELLE_HOST_DEVICE inline T sigmoid_derivative(T a)
    requires std::is_floating_point_v<T>
{
    const T e = std::exp(-std::fabs(a));
    const T s = T(1) + e;
    return e / (s * s);
}

/// T is a floating-point type, or one with +, -, *, / and the four functions above found by argument-dependent lookup: a vector register.
template <class T, int N>
struct Dual {
    T value{};
    T d[N]{};

    Dual() = default;
    AELLE_HOST_DEVICE Dual(const T& v) : value(v) {}  // constants enter formulas as they are
    /// The k-th independent variable.
    AELLE_HOST_DEVICE static Dual variable(const T& v, int k) {
        Dual x(v);
        x.d[k] = T(1);
        return x;
    }

    AELLE_HOST_DEVICE friend Dual operator+(const Dual& a, const Dual& b) {
        Dual r(a.value + b.value);
        for (int k = 0; k < N; ++k) r.d[k] = a.d[k] + b.d[k];
        return r;
    }
    AELLE_HOST_DEVICE friend Dual operator-(const Dual& a, const Dual& b) {
        Dual r(a.value - b.value);
        for (int k = 0; k < N; ++k) r.d[k] = a.d[k] - b.d[k];
        return r;
    }
    AELLE_HOST_DEVICE friend Dual operator-(const Dual& a) { return Dual(T(0)) - a; }
    AELLE_HOST_DEVICE friend Dual operator*(const Dual& a, const Dual& b) {
        Dual r(a.value * b.value);
        for (int k = 0; k < N; ++k) r.d[k] = a.d[k] * b.value + a.value * b.d[k];
        return r;
    }
    AELLE_HOST_DEVICE friend Dual operator/(const Dual& a, const Dual& b) {
        Dual r(a.value / b.value);
        for (int k = 0; k < N; ++k) r.d[k] = (a.d[k] - r.value * b.d[k]) / b.value;
        return r;
    }
};

template <class T, int N>
AELLE_HOST_DEVICE inline Dual<T, N> tanh(const Dual<T, N>& a) {
    using std::tanh;
    Dual<T, N> r(tanh(a.value));
    const T slope = tanh_derivative(a.value);
    for (int k = 0; k < N; ++k) r.d[k] = slope * a.d[k];
    return r;
}

template <class T, int N>
AELLE_HOST_DEVICE inline Dual<T, N> sigmoid(const Dual<T, N>& a) {
    Dual<T, N> r(sigmoid(a.value));
    const T slope = sigmoid_derivative(a.value);
    for (int k = 0; k < N; ++k) r.d[k] = slope * a.d[k];
    return r;
}

}  // namespace aelle
