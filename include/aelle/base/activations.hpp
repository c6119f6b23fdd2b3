#pragma once
/// exp, tanh, the logistic sigmoid and the slopes of the last two over arrays of doubles, in vector registers of the widest instruction
/// set that the processor has. Errors: base/elementary.hpp, a few units in the last place.
///
/// An element's bits depend on its value and the processor's instruction set alone, not on the array's length, alignment or its place.

#include <cstdint>
#include <vector>

namespace aelle {

/// y[i] = f(x[i]) for i < n. y may be x, but not overlap it otherwise.
using VectorFunction = void (*)(int64_t n, const double* x, double* y);

struct VectorFunctions {
    VectorFunction exp, tanh, sigmoid;
    VectorFunction tanh_derivative, sigmoid_derivative;  ///< of the argument x, to full relative accuracy
};

/// Of the widest instruction set.
const VectorFunctions& vector_functions();
/// One for each instruction set that the processor has, the widest last: for tests.
std::vector<const VectorFunctions*> all_vector_functions();

}  // namespace aelle
