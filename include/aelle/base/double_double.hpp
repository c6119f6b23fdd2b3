#pragma once
/// Numbers of about 104 bits as unevaluated sums of two doubles (Dekker 1971; Hida, Li & Bailey 2001), with the range of double: the low part
/// is lost below about 1e-290.
///
/// The error terms are those of IEEE arithmetic as written: files that use this header are compiled with -ffp-contract=off.

#include <cmath>
#include <cstdint>

namespace aelle {

struct DoubleDouble {
    double high = 0.0, low = 0.0;

    DoubleDouble() = default;
    DoubleDouble(double x) : high(x) {}
    DoubleDouble(double h, double l) : high(h), low(l) {}
    explicit operator double() const { return high; }

    /// a + b exactly.
    static DoubleDouble sum(double a, double b) {
        const double s = a + b, t = s - a;
        return {s, (a - (s - t)) + (b - t)};
    }
    /// The same where |a| >= |b| or a = 0.
    static DoubleDouble ordered_sum(double a, double b) {
        const double s = a + b;
        return {s, b - (s - a)};
    }
    /// a b exactly, by halves of 26 bits (Dekker); |a|, |b| < 1e300.
    static DoubleDouble product(double a, double b) {
        constexpr double split = 0x1p27 + 1;
        const double p = a * b, ca = split * a, cb = split * b;
        const double ah = ca - (ca - a), al = a - ah, bh = cb - (cb - b), bl = b - bh;
        return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
    }

    friend DoubleDouble operator-(const DoubleDouble& a) { return {-a.high, -a.low}; }
    friend DoubleDouble operator+(const DoubleDouble& a, const DoubleDouble& b) {
        DoubleDouble s = sum(a.high, b.high);
        const DoubleDouble t = sum(a.low, b.low);
        s = ordered_sum(s.high, s.low + t.high);
        return ordered_sum(s.high, s.low + t.low);
    }
    friend DoubleDouble operator-(const DoubleDouble& a, const DoubleDouble& b) { return a + -b; }
    friend DoubleDouble operator*(const DoubleDouble& a, const DoubleDouble& b) {
        const DoubleDouble p = product(a.high, b.high);
        return ordered_sum(p.high, p.low + (a.high * b.low + a.low * b.high));
    }
    friend DoubleDouble operator/(const DoubleDouble& a, const DoubleDouble& b) {
        const double first = a.high / b.high;
        const DoubleDouble rest = a - b * DoubleDouble(first);
        const double second = rest.high / b.high;
        const DoubleDouble last = rest - b * DoubleDouble(second);
        return ordered_sum(first, second) + DoubleDouble(last.high / b.high);
    }
    DoubleDouble& operator+=(const DoubleDouble& b) { return *this = *this + b; }
    DoubleDouble& operator-=(const DoubleDouble& b) { return *this = *this - b; }
    DoubleDouble& operator*=(const DoubleDouble& b) { return *this = *this * b; }

    friend bool operator==(const DoubleDouble& a, const DoubleDouble& b) { return a.high == b.high && a.low == b.low; }
    friend bool operator<(const DoubleDouble& a, const DoubleDouble& b) { return a.high < b.high || (a.high == b.high && a.low < b.low); }
    friend bool operator>=(const DoubleDouble& a, const DoubleDouble& b) { return !(a < b); }
};

inline DoubleDouble fabs(const DoubleDouble& a) { return a.high < 0 ? -a : a; }
inline DoubleDouble ldexp(const DoubleDouble& a, int exponent) { return {std::ldexp(a.high, exponent), std::ldexp(a.low, exponent)}; }

/// One Newton step from the root of the high part; 0 for a <= 0.
inline DoubleDouble sqrt(const DoubleDouble& a) {
    if (a.high <= 0) return 0.0;
    const double root = std::sqrt(a.high);
    return DoubleDouble(root) + DoubleDouble((a - DoubleDouble::product(root, root)).high / (2 * root));
}

/// x = k ln 2 + r, exp(r) = exp(r / 256)^256: relative error below 2^-96; 0 where it would be below the smallest normal number.
inline DoubleDouble exp(const DoubleDouble& x) {
    if (x.high < -708) return 0.0;
    const DoubleDouble ln2(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56);
    const double k = std::nearbyint(x.high / ln2.high);
    const DoubleDouble r = ldexp(x - DoubleDouble(k) * ln2, -8);
    DoubleDouble series = 1.0;
    for (int n = 11; n >= 1; --n) series = DoubleDouble(1.0) + series * r / DoubleDouble(n);
    for (int i = 0; i < 8; ++i) series *= series;
    return ldexp(series, static_cast<int>(k));
}

/// As those of base/dual.hpp.
inline DoubleDouble sigmoid(const DoubleDouble& a) {
    const DoubleDouble e = exp(-fabs(a));
    return (a.high < 0 ? e : DoubleDouble(1.0)) / (DoubleDouble(1.0) + e);
}
inline DoubleDouble sigmoid_derivative(const DoubleDouble& a) {
    const DoubleDouble e = exp(-fabs(a)), s = DoubleDouble(1.0) + e;
    return e / (s * s);
}
inline DoubleDouble tanh(const DoubleDouble& a) {
    const DoubleDouble e = exp(DoubleDouble(-2.0) * fabs(a)), size = (DoubleDouble(1.0) - e) / (DoubleDouble(1.0) + e);
    return a.high < 0 ? -size : size;
}
inline DoubleDouble tanh_derivative(const DoubleDouble& a) {
    const DoubleDouble e = exp(DoubleDouble(-2.0) * fabs(a)), s = DoubleDouble(1.0) + e;
    return DoubleDouble(4.0) * e / (s * s);
}

}  // namespace aelle
