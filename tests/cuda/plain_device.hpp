#pragma once
/// What cuBLAS and cuSOLVER do for kernels/cuda/library_path.hpp, by plain loops on the host; kernels run by emulation.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include "kernels/cuda/library_path.hpp"

namespace aelle::cuda {

class PlainDevice {
public:
    static int of(int, PlainDevice*& found) {
        static thread_local PlainDevice mine;
        found = &mine;
        return 0;
    }
    static int close(int) { return 0; }
    static const char* message(int status) { return memory::message(status); }

    /// As if it had not been used before: NaN.
    void* room(std::size_t bytes, int&) {
        memory_.assign((bytes + 7) / 8, std::numeric_limits<double>::quiet_NaN());
        return memory_.data();
    }
    int wait() const { return 0; }
    template <class Kernel>
    int run(int64_t blocks, std::size_t shared_bytes, const Kernel& kernel) {
        return launch(nullptr, blocks, shared_bytes, kernel);
    }
    template <class Kernel>
    int run_on(int, int64_t blocks, std::size_t shared_bytes, const Kernel& kernel) {
        return run(blocks, shared_bytes, kernel);
    }
    template <class Body>
    int repeat(int64_t times, Body&& body) {
        for (int64_t i = 0; i < times; ++i)
            if (const int status = body()) return status;
        return 0;
    }

    template <class T>
    int product(const Product<T>& p) {
        ++products;
        for (int64_t g = 0; g < p.count; ++g) {
            const T* a = p.a.data + g * p.a.apart;
            const T* b = p.b.data + g * p.b.apart;
            T* c = p.c.data + g * p.c.apart;
            for (int64_t j = 0; j < p.n; ++j) {
                for (int64_t i = 0; i < p.m; ++i) {
                    T sum = 0;
                    for (int64_t k = 0; k < p.k; ++k)
                        sum += (p.a.transposed ? a[k + i * p.a.ld] : a[i + k * p.a.ld]) *
                               (p.b.transposed ? b[j + k * p.b.ld] : b[k + j * p.b.ld]);
                    T& to = c[i + j * p.c.ld];
                    to = p.beta == T(0) ? sum : sum + p.beta * to;  // as BLAS: what is there is not read
                }
            }
        }
        return 0;
    }

    template <class T>
    int geqrf_batched(int m, int n, T* const* a, int lda, T* const* tau, int64_t count) {
        for (int64_t i = 0; i < count; ++i) factor(m, n, a[i], lda, tau[i]);
        return 0;
    }
    template <class T>
    int potrf_batched(int n, T* const* a, int lda, int32_t* info, int64_t count) {
        for (int64_t g = 0; g < count; ++g) {
            info[g] = 0;
            for (int j = 0; j < n && info[g] == 0; ++j) {
                T* column = a[g] + int64_t{j} * lda;
                for (int i = 0; i <= j; ++i) {
                    T sum = column[i];
                    for (int k = 0; k < i; ++k) sum -= a[g][k + int64_t{i} * lda] * column[k];
                    if (i < j) column[i] = sum / a[g][i + int64_t{i} * lda];
                    else if (sum > 0) column[j] = std::sqrt(sum);
                    else info[g] = j + 1;
                }
            }
        }
        return 0;
    }
    template <class T>
    int trsm_batched(int m, int n, T* const* r, int ldr, T* const* z, int ldz, int64_t count) {
        for (int64_t g = 0; g < count; ++g) {
            for (int j = 0; j < n; ++j) {
                T* x = z[g] + int64_t{j} * ldz;
                for (int k = 0; k < j; ++k)
                    for (int i = 0; i < m; ++i) x[i] -= z[g][i + int64_t{k} * ldz] * r[g][k + int64_t{j} * ldr];
                for (int i = 0; i < m; ++i) x[i] /= r[g][j + int64_t{j} * ldr];
            }
        }
        return 0;
    }

    static constexpr int lanes() { return 3; }
    int fork() const { return 0; }
    int join() const { return 0; }
    template <class T>
    int geqrf(int, int m, int n, T* a, T* tau) {
        factor(m, n, a, m, tau);
        return 0;
    }
    /// Columns of H_0 H_1 ... H_(n-1).
    template <class T>
    int orgqr(int, int m, int n, T* a, const T* tau) {
        const std::vector<T> v(a, a + int64_t{m} * n);
        for (int c = 0; c < n; ++c) {
            T* x = a + int64_t{c} * m;
            for (int i = 0; i < m; ++i) x[i] = i == c ? T(1) : T(0);
            for (int j = n - 1; j >= 0; --j) reflect(m, j, v.data() + int64_t{j} * m, tau[j], x);
        }
        return 0;
    }

    int64_t products = 0;

private:
    /// x := (1 - tau v v') x, v_j = 1 and zero above.
    template <class T>
    static void reflect(int m, int j, const T* v, T tau, T* x) {
        T sum = x[j];
        for (int i = j + 1; i < m; ++i) sum += v[i] * x[i];
        x[j] -= tau * sum;
        for (int i = j + 1; i < m; ++i) x[i] -= tau * sum * v[i];
    }
    /// LAPACK's geqr2.
    template <class T>
    static void factor(int m, int n, T* a, int64_t lda, T* tau) {
        for (int j = 0; j < n; ++j) {
            T* x = a + j * lda;
            T rest = 0;
            for (int i = j + 1; i < m; ++i) rest += x[i] * x[i];
            const T size = std::sqrt(x[j] * x[j] + rest), beta = x[j] > 0 ? -size : size;
            tau[j] = rest == T(0) ? T(0) : (beta - x[j]) / beta;
            if (tau[j] == T(0)) continue;
            for (int i = j + 1; i < m; ++i) x[i] /= x[j] - beta;
            x[j] = beta;
            for (int k = j + 1; k < n; ++k) reflect(m, j, x, tau[j], a + k * lda);
        }
    }

    std::vector<double> memory_;
};

}  // namespace aelle::cuda
