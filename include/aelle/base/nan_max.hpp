#pragma once
/// The larger of two numbers, NaN where either is: for errors, of which none may be lost. std::max(x, NaN) is x.

namespace aelle {

inline double nan_max(double a, double b) { return a >= b || a != a ? a : b; }

}  // namespace aelle
