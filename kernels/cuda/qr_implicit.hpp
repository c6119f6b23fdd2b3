#pragma once
/// Tangents through many steps with a factorisation after each, Q never formed (performance.md 3, rule 2, and 3.2, step Q4): with the reflectors of
/// Z = Q R, whose rows P sorts, J Q = (J P') H_1 H_2 ... H_n takes the place of forming Q and of a product by units for matrices.
///
/// FLOP of a step: 2 N^3 for the reflectors on J P' beside 4/3 N^3 for the factorisation; where Q is formed, 4/3 N^3 for that and 2 N^3 for the product, those by
/// the units. Here as a kernel for benchmarks, beside the same chain with Q formed: real chains need the entries of Q for their error bounds.

#include "kernels/cuda/product_units.hpp"
#include "kernels/cuda/qr_registers.hpp"

namespace aelle::cuda {
namespace qr_detail {

template <int N, int Threads>
class ImplicitHouseholder : RegisterHouseholder<N, Threads> {
    using Base = RegisterHouseholder<N, Threads>;
    using Base::block_, Base::z_, Base::work_, Base::rows, Base::cols;
    using typename Base::Tile;

public:
    using Base::Base;

    /// The reflectors of the matrix in shared memory take its place. False, with logs of NaN, where an entry is not finite.
    AELLE_DEVICE bool factor(double* log_r) {
        Tile x;
        int reflectors = 0;
        return Base::factor(x, reflectors, log_r);
    }

    /// J Q takes the place of the reflectors. The transpose of J P' lies in registers: reflectors come from the left, as everywhere.
    AELLE_DEVICE void multiply(View<const double> jacobian) const {
        Tile x;
        AELLE_UNROLL
        for (int i = 0; i < rows; ++i) {
            const double* from = jacobian.column(work_.order[this->row(i)]);
            AELLE_UNROLL
            for (int k = 0; k < cols; ++k) x[i][k] = from[this->column(k)];
        }
        int j = 0, pivot = 0;
        apply_stage<0>(x, j, pivot);
        apply_stage<1>(x, j, pivot);
        apply_stage<2>(x, j, pivot);
        apply_stage<3>(x, j, pivot);
        block_.sync();
        AELLE_UNROLL
        for (int i = 0; i < rows; ++i) {
            double* to = z_.column(work_.column_of[this->row(i)]);
            AELLE_UNROLL
            for (int k = 0; k < cols; ++k) to[this->column(k)] = x[i][k];
        }
        block_.sync();
    }

private:
    template <int Stage>
    AELLE_DEVICE void apply_stage(Tile& x, int& j, int& pivot) const {
        while (j < N && pivot < (Stage + 1) * Base::stage_pivots) {
            const double tau = work_.tau[j];
            if (tau != 0.0) {
                this->template reflect<Base::template live_row<Stage>, 0>(x, j, tau, -1);
                ++pivot;
            }
            ++j;
        }
    }
};

}  // namespace qr_detail

/// Chains of `steps` factorisations of N x N matrices, a block each: Z_1 = J_1, Z_{t+1} = J_{t+1} Q_t; log_sum (N of each chain) adds up log|r_jj|, and is NaN
/// where a matrix was not finite. Step t of chain c has matrix (c + t) % distinct of `jacobians`, column-major one after another.
template <int N, int Threads, bool Implicit>
struct TangentSteps {
    static constexpr int threads = Threads, of_qr = BatchedQrRegisters<N, Threads>::blocks_per_multiprocessor;
    static constexpr int blocks_per_multiprocessor = Implicit || of_qr < 3 ? of_qr : 3;  // panels of a product leave room for no fourth
    static constexpr int height = N / 64;
    const double* jacobians;
    int32_t distinct, steps;
    double* log_sum;

    static constexpr std::size_t work_bytes = (qr_detail::RegisterWork<N, Threads>::bytes + 127) / 128 * 128;
    static constexpr std::size_t panels_bytes = Implicit ? 0 : sizeof(double) * product_units_scratch(Threads, height);
    static constexpr std::size_t shared_bytes =
        sizeof(double) * (N * N + 2 * N) +
        (work_bytes > panels_bytes ? work_bytes : panels_bytes);  // a product needs no work of a factorisation

    AELLE_DEVICE void operator()(const Block& block) const {
        auto* z = reinterpret_cast<double*>(block.shared());
        double* log_r = z + N * N;
        double* sum = log_r + N;
        char* work = reinterpret_cast<char*>(sum + N);
        const View<double> matrix{z, N, N, N};
        const double* first = jacobian(block.index(), 0);
        block.each(N * N, [&](int64_t e) { z[e] = first[e]; });
        block.each(N, [&](int64_t j) { sum[j] = 0.0; });
        if constexpr (Implicit) {
            qr_detail::ImplicitHouseholder<N, Threads> householder(block, matrix, work);
            for (int t = 0; t < steps; ++t) {
                if (t > 0) householder.multiply({jacobian(block.index(), t), N, N, N});
                const bool finite = householder.factor(log_r);
                block.each(N, [&](int64_t j) { sum[j] += log_r[j]; });
                if (!finite) break;
            }
        } else {
            for (int t = 0; t < steps; ++t) {
                if (t > 0) multiply(block, jacobian(block.index(), t), z, reinterpret_cast<double*>(work));
                accurate_qr_registers<N, Threads>(block, matrix, log_r, {}, work);
                block.each(N, [&](int64_t j) { sum[j] += log_r[j]; });
            }
        }
        double* to = log_sum + int64_t{block.index()} * N;
        block.each(N, [&](int64_t j) { to[j] = sum[j]; });
    }

private:
    AELLE_DEVICE const double* jacobian(int chain, int step) const { return jacobians + int64_t{(chain + step) % distinct} * N * N; }
    /// In place: a tile has whole columns, which are read before they are written.
    AELLE_DEVICE static void multiply(const Block& block, const double* jacobian, double* z, double* panels) {
        product_units<Threads, Along::outer, Along::inner, height>(
            Team(block), N, N, N, panels, [=](int i, int k) { return jacobian[i + k * N]; }, AlongInner{z, N, N, N},
            [=](int i, int j, double value) { z[i + j * N] = value; });
    }
};

}  // namespace aelle::cuda
