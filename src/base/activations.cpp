#include "aelle/base/activations.hpp"

#include <cstring>

#include "aelle/base/elementary.hpp"

namespace aelle {
namespace {

/// The last elements go through the same loop in a register filled up with zeros.
template <int Bytes, class F>
AELLE_BODY void each_register(int64_t n, const double* x, double* y, F f) {
    using Vec = elementary::Doubles<Bytes>;
    constexpr int64_t lanes = Vector<double, Bytes>::lanes;
    for (int64_t i = 0; i < n; i += lanes) {
        const bool whole = i + lanes <= n;
        const auto count = static_cast<std::size_t>(n - i) * sizeof(double);  // where not whole
        Vec argument{}, value;
        if (whole) std::memcpy(&argument, x + i, sizeof argument);
        else std::memcpy(&argument, x + i, count);
        f(argument, value);
        if (whole) std::memcpy(y + i, &value, sizeof value);
        else std::memcpy(y + i, &value, count);
    }
}

#define AELLE_FUNCTION(NAME, BYTES, TARGET, BODY)                                                                                       \
    TARGET static void NAME(int64_t n, const double* x, double* y) {                                                                    \
        each_register<BYTES>(                                                                                                           \
            n, x, y, [](const elementary::Doubles<BYTES>& argument, elementary::Doubles<BYTES>& value) __attribute__((always_inline)) { \
                elementary::BODY<BYTES>(argument, value);                                                                               \
            });                                                                                                                         \
    }
#define AELLE_FUNCTIONS(NAME, BYTES, TARGET)                                                             \
    struct NAME {                                                                                        \
        AELLE_FUNCTION(exp, BYTES, TARGET, exponential)                                                  \
        AELLE_FUNCTION(tanh, BYTES, TARGET, hyperbolic_tangent)                                          \
        AELLE_FUNCTION(sigmoid, BYTES, TARGET, logistic)                                                 \
        AELLE_FUNCTION(tanh_derivative, BYTES, TARGET, hyperbolic_tangent_slope)                         \
        AELLE_FUNCTION(sigmoid_derivative, BYTES, TARGET, logistic_slope)                                \
        static constexpr VectorFunctions table{exp, tanh, sigmoid, tanh_derivative, sigmoid_derivative}; \
    };

AELLE_FUNCTIONS(Baseline, 16, )
#if defined(__x86_64__)
AELLE_FUNCTIONS(Avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_FUNCTIONS(Avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_FUNCTIONS
#undef AELLE_FUNCTION

}  // namespace

std::vector<const VectorFunctions*> all_vector_functions() {
    std::vector<const VectorFunctions*> all{&Baseline::table};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v3")) all.push_back(&Avx2::table);
    if (__builtin_cpu_supports("x86-64-v4")) all.push_back(&Avx512::table);
#endif
    return all;
}

const VectorFunctions& vector_functions() {
    static const VectorFunctions& widest = *all_vector_functions().back();
    return widest;
}

}  // namespace aelle
