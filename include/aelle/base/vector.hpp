#pragma once
/// Vector registers for hot loops that are compiled once for each instruction set.

#include <cstdint>

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

}  // namespace aelle
