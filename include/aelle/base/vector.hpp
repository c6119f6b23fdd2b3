#pragma once
/// Vector registers for hot loops that are compiled once for each instruction set.

#include <cstdint>
#include <utility>

/// A body is inlined into one wrapper for each instruction set and takes the wrapper's target.
#define AELLE_BODY [[gnu::always_inline]] inline

/// The wrapped function compiled for several instruction sets, the widest that the processor has taken at run time.
#if defined(__x86_64__)
#define AELLE_CLONES [[gnu::target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")]]
#else
#define AELLE_CLONES
#endif

namespace aelle {

/// A vector register of `Bytes`: each copy uses the width that its instruction set has, wider ones would go through memory.
template <class T, int Bytes>
struct Vector {
    typedef T type __attribute__((vector_size(Bytes), may_alias));
    typedef T unaligned __attribute__((vector_size(Bytes), may_alias, aligned(alignof(T))));
    static constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));
};

// Vectors are handed over by reference: as values they would change the ABI of functions that are compiled without their instruction set.

template <class T, int Bytes, std::size_t... I>
AELLE_BODY void sum_of_halves(const typename Vector<T, Bytes>::type& v, typename Vector<T, Bytes / 2>::type& sum, std::index_sequence<I...>) {
    sum = __builtin_shufflevector(v, v, static_cast<int>(I)...) + __builtin_shufflevector(v, v, static_cast<int>(I + sizeof...(I))...);
}
template <class T, int Bytes>
AELLE_BODY void sum_of_halves(const typename Vector<T, Bytes>::type& v, typename Vector<T, Bytes / 2>::type& sum) {
    sum_of_halves<T, Bytes>(v, sum, std::make_index_sequence<Vector<T, Bytes>::lanes / 2>{});
}

/// Sum of all lanes, pair by pair.
template <class T, int Bytes>
AELLE_BODY T lane_sum(const typename Vector<T, Bytes>::type& v) {
    if constexpr (Vector<T, Bytes>::lanes == 2) {
        return v[0] + v[1];
    } else {
        typename Vector<T, Bytes / 2>::type half;
        sum_of_halves<T, Bytes>(v, half);
        return lane_sum<T, Bytes / 2>(half);
    }
}

}  // namespace aelle
