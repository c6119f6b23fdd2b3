#pragma once
/// QR factorisations of a batch by cuBLAS and cuSOLVER (performance.md 3.2, Q0), as users of these libraries write them, with kernels of ours where the
/// libraries have none: forming Q from a batch of reflectors, and log|r_jj|.
///
/// A Device is CUDA's (library_path.cu) or, in tests, plain loops. Besides run() and product() of library_training.hpp:
///     int geqrf_batched(m, n, T* const* a, lda, T* const* tau, count)           arrays of addresses on the device
///     int potrf_batched(n, T* const* a, lda, int32_t* info, count)              upper triangle: A = R'R; info of each on the device
///     int trsm_batched(m, n, const T* const* r, ldr, T* const* z, ldz, count)   Z := Z R^-1
///     int lanes()                                                               streams that one by one uses
///     int fork(), join()                       lanes begin after what was queued before, and what is queued later after them
///     int geqrf(lane, m, n, T* a, lda, T* tau), orgqr(lane, m, n, const T* tau), run_on(lane, blocks, shared_bytes, kernel)

#include <cmath>
#include <limits>

#include "kernels/cuda/library_api.hpp"
#include "kernels/cuda/library_training.hpp"

namespace aelle::cuda {

/// Addresses of things that lie `apart` numbers from each other.
template <class T>
struct ListAddresses {
    static constexpr int threads = 256, blocks_per_multiprocessor = 1;
    T** to = nullptr;
    T* first = nullptr;
    int64_t apart = 0, count = 0;
    AELLE_DEVICE void operator()(const Block& block) const {
        block.each(count, [&](int64_t i) { to[i] = first + i * apart; });
    }
};

/// log|r_jj| of matrices `apart` numbers from each other, one block each, set or added. Where `info` is given and not 0 the matrix was not factored.
template <class T>
struct LogDiagonal {
    static constexpr int threads = 64, blocks_per_multiprocessor = 1;
    const T* r = nullptr;
    int64_t apart = 0, ld = 0;
    int32_t cols = 0;
    double* log_r = nullptr;
    bool add = false;
    const int32_t* info = nullptr;
    AELLE_DEVICE void operator()(const Block& block) const {
        const int64_t index = block.index();
        double* to = log_r + index * cols;
        const bool bad = info != nullptr && info[index] != 0;
        block.each(cols, [&](int64_t j) {
            const auto size = std::fabs(static_cast<double>(r[index * apart + j * (ld + 1)]));
            const double value = bad ? std::numeric_limits<double>::quiet_NaN() : std::log(size);
            to[j] = add ? to[j] + value : value;
        });
    }
};

/// Q of the reduced factorisation takes the place of LAPACK's reflectors (v_j below the diagonal of column j, v_jj = 1, H_j = 1 - tau_j v_j v_j'), one
/// block each. Backwards, H_0 (H_1 (... 1)): column j is finished when its own reflector has been applied. A warp has a column at a time.
template <class T>
struct FormQ {
    static constexpr int threads = 256, blocks_per_multiprocessor = 1;
    T* a = nullptr;
    const T* tau = nullptr;
    int32_t rows = 0, cols = 0;
    bool staged = false;  ///< in shared memory

    /// Matrices up to so many bytes are staged: every device of compute capability 8.0 or higher has room for one.
    static constexpr std::size_t most_staged = 96 * 1024;
    static std::size_t matrix_bytes(int32_t rows, int32_t cols) {
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * sizeof(T);
    }

    AELLE_DEVICE void operator()(const Block& block) const {
        const int64_t size = int64_t{rows} * cols;
        T* mine = a + block.index() * size;
        const T* factors = tau + int64_t{block.index()} * cols;
        if (!staged) return form(block, mine, factors);
        T* at = reinterpret_cast<T*>(block.shared());
        block.each(size, [&](int64_t i) { at[i] = mine[i]; });
        form(block, at, factors);
        block.each(size, [&](int64_t i) { mine[i] = at[i]; });
    }

private:
    AELLE_DEVICE void form(const Block& block, T* q, const T* factors) const {
        for (int j = cols - 1; j >= 0; --j) {
            T* v = q + int64_t{j} * rows;
            const T factor = factors[j];
            for (int k = j + 1 + block.warp(); k < cols; k += block.warps()) {
                T* x = q + int64_t{k} * rows;
                T sum = block.lane() == 0 ? x[j] : T(0);
                for (int i = j + 1 + block.lane(); i < rows; i += warp_size) sum += v[i] * x[i];
                sum = factor * block.warp_sum(sum);
                if (block.lane() == 0) x[j] -= sum;
                for (int i = j + 1 + block.lane(); i < rows; i += warp_size) x[i] -= sum * v[i];
            }
            block.sync();
            block.each(rows, [&](int64_t i) { v[i] = i < j ? T(0) : i == j ? T(1) - factor : -factor * v[i]; });
        }
    }
};

/// Bytes of `memory` for library_qr.
inline std::size_t library_qr_bytes(const LibraryQr& p) {
    const std::size_t number = p.single ? sizeof(float) : sizeof(double);
    const auto count = static_cast<std::size_t>(p.count), cols = static_cast<std::size_t>(p.cols);
    const std::size_t gram = p.form == LibraryQrForm::cholesky_twice ? cols * cols : cols;
    return count * (gram * number + 2 * sizeof(void*) + sizeof(int32_t)) + 1024;
}

template <class T, class Device>
class LibraryFactorisation {
public:
    LibraryFactorisation(Device& device, const LibraryQr& p, char* memory)
        : device_(device), p_(p), z_(static_cast<T*>(p.z)), apart_(int64_t{p.rows} * p.cols) {
        // The address arrays go first: they are of the strictest alignment.
        z_list_ = reinterpret_cast<T**>(memory);
        other_list_ = z_list_ + p.count;
        const bool gram = p.form == LibraryQrForm::cholesky_twice;
        other_apart_ = gram ? int64_t{p.cols} * p.cols : p.cols;
        other_ = reinterpret_cast<T*>(other_list_ + p.count);
        info_ = reinterpret_cast<int32_t*>(other_ + other_apart_ * p.count);
    }

    int run() {
        switch (p_.form) {
            case LibraryQrForm::geqrf_batched: return batched();
            case LibraryQrForm::one_by_one: return one_by_one();
            case LibraryQrForm::cholesky_twice: return cholesky_twice();
        }
        return unknown_form;
    }

private:
    int list() {
        if (const int status = device_.run(1, 0, ListAddresses<T>{z_list_, z_, apart_, p_.count})) return status;
        return device_.run(1, 0, ListAddresses<T>{other_list_, other_, other_apart_, p_.count});
    }

    int batched() {
        if (const int status = list()) return status;
        if (const int status = device_.geqrf_batched(p_.rows, p_.cols, z_list_, p_.rows, other_list_, p_.count)) return status;
        if (const int status = device_.run(p_.count, 0, LogDiagonal<T>{z_, apart_, p_.rows, p_.cols, p_.log_r})) return status;
        const std::size_t bytes = FormQ<T>::matrix_bytes(p_.rows, p_.cols);
        const bool staged = bytes <= FormQ<T>::most_staged;
        return device_.run(p_.count, staged ? bytes : 0, FormQ<T>{z_, other_, p_.rows, p_.cols, staged});
    }

    int one_by_one() {
        if (const int status = device_.fork()) return status;
        for (int64_t i = 0; i < p_.count; ++i) {
            const int lane = static_cast<int>(i % device_.lanes());
            T* z = z_ + i * apart_;
            T* tau = other_ + i * other_apart_;
            if (const int status = device_.geqrf(lane, p_.rows, p_.cols, z, tau)) return status;
            const LogDiagonal<T> logs{z, 0, p_.rows, p_.cols, p_.log_r + i * p_.cols};
            if (const int status = device_.run_on(lane, 1, 0, logs)) return status;
            if (const int status = device_.orgqr(lane, p_.rows, p_.cols, z, tau)) return status;
        }
        return device_.join();
    }

    int cholesky_twice() {
        if (const int status = list()) return status;
        const int rows = p_.rows, cols = p_.cols;
        const Operand<const T> z{z_, rows, apart_, false}, z_transposed{z_, rows, apart_, true};
        for (int pass = 0; pass < 2; ++pass) {
            const Product<T> gram{cols, cols, rows, z_transposed, z, T(0), {other_, cols, other_apart_, false}, p_.count};
            if (const int status = device_.product(gram)) return status;
            if (const int status = device_.potrf_batched(cols, other_list_, cols, info_, p_.count)) return status;
            const LogDiagonal<T> logs{other_, other_apart_, cols, cols, p_.log_r, pass > 0, info_};
            if (const int status = device_.run(p_.count, 0, logs)) return status;
            if (const int status = device_.trsm_batched(rows, cols, other_list_, cols, z_list_, rows, p_.count)) return status;
        }
        return 0;
    }

    Device& device_;
    const LibraryQr& p_;
    T* z_;
    int64_t apart_, other_apart_ = 0;
    T** z_list_ = nullptr;
    T** other_list_ = nullptr;
    T* other_ = nullptr;  ///< factors tau, or Gram matrices
    int32_t* info_ = nullptr;
};

template <class Device>
int library_qr(Device& device, const LibraryQr& p, char* memory) {
    return p.single ? LibraryFactorisation<float, Device>(device, p, memory).run()
                    : LibraryFactorisation<double, Device>(device, p, memory).run();
}

}  // namespace aelle::cuda
