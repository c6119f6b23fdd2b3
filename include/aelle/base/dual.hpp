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
AELLE_HOST_DEVICE inline T tanh_derivative(T a) requires std::is_floating_point_v<T> {
    const T e = std::exp(T(-2) * std::fabs(a));
    const T inverse = T(1) / (T(1) + e);
    return T(4) * e * inverse * inverse;
}

/// So that a cell's equations find it for plain numbers as they do for dual ones.
template <class T>
AELLE_HOST_DEVICE inline T tanh(T a) requires std::is_floating_point_v<T> {
    return std::tanh(a);
}

/// 1 / (1 + exp(-a)), without overflow.
template <class T>
AELLE_HOST_DEVICE inline T sigmoid(T a) requires std::is_floating_point_v<T> {
    const T e = std::exp(-std::fabs(a));
    const T inverse = T(1) / (T(1) + e);  // as in the derivative: one division serves both
    return a >= T(0) ? inverse : e * inverse;
}

/// sigmoid(a) (1 - sigmoid(a)) = e / (1 + e)^2 with e = exp(-|a|).
template <class T>
AELLE_HOST_DEVICE inline T sigmoid_derivative(T a) requires std::is_floating_point_v<T> {
    const T e = std::exp(-std::fabs(a));
    const T inverse = T(1) / (T(1) + e);
    return e * inverse * inverse;
}

/// T is a floating-point type, or one with +, both -, *, / and the four functions above found by argument-dependent lookup: a vector register.
///
/// A number knows on which variables it depends. Formulas are inlined and so is this, and compilers leave out the derivatives that must be zero: they
/// would not dare to leave out 0 * x themselves, where x may be infinite.
template <class T, int N>
struct Dual {
    static_assert(N <= 32);
    T value{};
    T d[N]{};
    unsigned variables = 0;  ///< a bit for each that the value depends on; d[k] of the others is 0

    Dual() = default;
    AELLE_HOST_DEVICE Dual(const T& v) : value(v) {}  // constants enter formulas as they are
    /// The k-th independent variable.
    AELLE_HOST_DEVICE static Dual variable(const T& v, int k) {
        Dual x(v);
        x.add(k, T(1));
        return x;
    }
    AELLE_HOST_DEVICE bool depends_on(int k) const { return (variables >> k & 1) != 0; }

    AELLE_HOST_DEVICE friend Dual operator+(const Dual& a, const Dual& b) {
        Dual r(a.value + b.value);
        for (int k = 0; k < N; ++k) {
            if (a.depends_on(k)) r.add(k, a.d[k]);
            if (b.depends_on(k)) r.add(k, b.d[k]);
        }
        return r;
    }
    AELLE_HOST_DEVICE friend Dual operator-(const Dual& a, const Dual& b) {
        Dual r(a.value - b.value);
        for (int k = 0; k < N; ++k) {
            if (a.depends_on(k)) r.add(k, a.d[k]);
            if (b.depends_on(k)) r.add(k, -b.d[k]);
        }
        return r;
    }
    AELLE_HOST_DEVICE friend Dual operator-(const Dual& a) { return Dual(T(0)) - a; }
    AELLE_HOST_DEVICE friend Dual operator*(const Dual& a, const Dual& b) {
        Dual r(a.value * b.value);
        for (int k = 0; k < N; ++k) {
            if (a.depends_on(k)) r.add(k, a.d[k] * b.value);
            if (b.depends_on(k)) r.add(k, a.value * b.d[k]);
        }
        return r;
    }
    AELLE_HOST_DEVICE friend Dual operator/(const Dual& a, const Dual& b) {
        Dual r(a.value / b.value);
        for (int k = 0; k < N; ++k) {
            if (a.depends_on(k)) r.add(k, a.d[k]);
            if (b.depends_on(k)) r.add(k, -(r.value * b.d[k]));
            if (r.depends_on(k)) r.d[k] = r.d[k] / b.value;
        }
        return r;
    }
    /// f(a), of f(a.value) and f'(a.value): the chain rule.
    AELLE_HOST_DEVICE static Dual composed(const Dual& a, const T& value, const T& slope) {
        Dual r(value);
        for (int k = 0; k < N; ++k)
            if (a.depends_on(k)) r.add(k, slope * a.d[k]);
        return r;
    }

private:
    AELLE_HOST_DEVICE void add(int k, const T& term) {
        d[k] = depends_on(k) ? d[k] + term : term;
        variables |= 1u << k;
    }
};

template <class T, int N>
AELLE_HOST_DEVICE inline Dual<T, N> tanh(const Dual<T, N>& a) {
    using std::tanh;
    return Dual<T, N>::composed(a, tanh(a.value), tanh_derivative(a.value));
}

template <class T, int N>
AELLE_HOST_DEVICE inline Dual<T, N> sigmoid(const Dual<T, N>& a) {
    return Dual<T, N>::composed(a, sigmoid(a.value), sigmoid_derivative(a.value));
}

}  // namespace aelle
