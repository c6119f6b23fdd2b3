#pragma once
/// Householder reflectors applied to blocks of columns, one by one and four at a time.
///
/// Four consecutive reflectors are one product H_0 H_1 H_2 H_3 = I - V T V^T with T upper triangular (Schreiber & Van Loan, SIAM J. Sci. Stat. Comput. 10
/// (1989): compact WY). One pass over a column both applies such a block and takes the products with the next one, so that every load and store
/// of the column serves eight multiplications.

#include <cstdint>

#include "kernels/cpu/simd.hpp"

namespace aelle::cpu {

/// Reflectors that form one block, and the numbers kept for it: T by rows and by columns.
inline constexpr int64_t block_reflectors = 4, block_weights = 2 * block_reflectors * block_reflectors;

/// v (ld x ...): reflector k = I - tau_k v_k v_k^T in column k, zero in rows before k. ld is a multiple of vector_length, all is aligned to 64 bytes, and
/// ld is also the distance of the columns of c. What happens to a column does not depend on how many there are.
template <class T>
struct ReflectorKernels {
    /// Applies reflectors first, first + direction, ... (`count` of them) to `columns` vectors c, one after the other.
    void (*one_by_one)(const T* v, const T* tau, int64_t ld, int64_t first, int64_t direction, int64_t count, T* c, int64_t columns);
    /// Applies blocks first, first + direction, ... (`count` of them): I - V T^T V^T for direction 1 (those of a factorisation), I - V T V^T for
    /// direction -1 (those of Q). Block b holds reflectors block_reflectors * b and on, and its T block_weights numbers from
    /// t + block_weights * b on.
    void (*blocks)(const T* v, const T* t, int64_t ld, int64_t first, int64_t direction, int64_t count, T* c, int64_t columns);
    /// T of block b.
    void (*make_block)(const T* v, const T* tau, int64_t ld, int64_t block, T* t);
};

template <class T>
const ReflectorKernels<T>& reflector_kernels(InstructionSet set);

}  // namespace aelle::cpu
