// Chains of tangents whose Q is never formed, against the same with Q formed and against the reference backend.

#include "kernels/cuda/qr_implicit.hpp"

#include <gtest/gtest.h>

#include "tests/cuda/qr_cases.hpp"

namespace aelle::cuda {
namespace {

constexpr int distinct = 3;

/// Jacobians one after another.
std::vector<double> joined(const std::vector<Matrix<double>>& matrices) {
    std::vector<double> all;
    for (const auto& m : matrices) all.insert(all.end(), m.data(), m.data() + m.size());
    return all;
}

template <int N, int Threads, bool Implicit>
std::vector<double> sums(const std::vector<double>& jacobians, int steps, int chains) {
    using Kernel = TangentSteps<N, Threads, Implicit>;
    std::vector<double> log_sum(static_cast<std::size_t>(N * chains), std::numeric_limits<double>::quiet_NaN());
    const auto count = static_cast<int32_t>(jacobians.size() / (N * N));
    launch(nullptr, chains, Kernel::shared_bytes, Kernel{jacobians.data(), count, steps, log_sum.data()});
    return log_sum;
}

/// Chain after chain on the host.
std::vector<double> expected(const std::vector<Matrix<double>>& jacobians, int steps, int chains) {
    const auto backend = backend::make_reference();
    const auto n = static_cast<std::size_t>(jacobians.front().rows());
    std::vector<double> all, log_r(n);
    backend::Backend::QrWork work;
    for (int c = 0; c < chains; ++c) {
        std::vector<double> sum(n, 0.0);
        Matrix<double> z = jacobians[static_cast<std::size_t>(c) % jacobians.size()];
        for (int t = 0; t < steps; ++t) {
            if (t > 0) {
                const Matrix<double> q = z;
                backend->multiply(false, false, jacobians[static_cast<std::size_t>(c + t) % jacobians.size()].view(), q.view(), 0.0,
                                  z.view());
            }
            backend->qr(backend::QrMethod::accurate, z.view(), log_r, work);
            for (std::size_t j = 0; j < n; ++j) sum[j] += log_r[j];
        }
        all.insert(all.end(), sum.begin(), sum.end());
    }
    return all;
}

template <int N, int Threads>
void check(const std::vector<Matrix<double>>& jacobians, int steps, int chains, double tolerance) {
    const std::vector<double> all = joined(jacobians), host = expected(jacobians, steps, chains);
    const std::vector<double> with_q = sums<N, Threads, false>(all, steps, chains), without = sums<N, Threads, true>(all, steps, chains);
    for (std::size_t i = 0; i < host.size(); ++i) {
        if (std::isinf(host[i])) {
            EXPECT_EQ(with_q[i], host[i]) << i;
            EXPECT_EQ(without[i], host[i]) << i;
            continue;
        }
        EXPECT_NEAR(with_q[i], host[i], tolerance) << i;
        EXPECT_NEAR(without[i], host[i], tolerance) << i;
    }
}

std::vector<Matrix<double>> random_jacobians(int n) {
    std::vector<Matrix<double>> all;
    for (uint64_t i = 0; i < distinct; ++i) all.push_back(random_matrix<double>(n, n, 20 + i));
    return all;
}

// Random matrices of condition about 1e3, five steps.
TEST(CudaQrImplicit, AgreesWithQFormedAndWithTheReference) {
    check<64, 128>(random_jacobians(64), 5, 4, 1e-10);
    check<64, 256>(random_jacobians(64), 5, 4, 1e-10);
    check<128, 512>(random_jacobians(128), 3, 1, 1e-10);
}

// Rows of very different size, in an order that differs from step to step: P takes part in the product.
TEST(CudaQrImplicit, MultipliesByQOfSortedRows) {
    std::vector<Matrix<double>> graded;
    for (uint64_t i = 0; i < distinct; ++i) graded.push_back(graded_matrix<double>(64, 20.0, 0, 3 + i));
    check<64, 128>(graded, 2, 3, 1e-10);
    check<64, 256>(graded, 2, 3, 1e-10);
}

// A column of zeros makes no reflector, and its column of Q comes after those of the others.
TEST(CudaQrImplicit, ZeroColumnsGiveMinusInfinityAndSpoilNothing) {
    std::vector<Matrix<double>> jacobians = random_jacobians(64);
    for (const int j : {0, 16, 40, 63}) std::fill_n(jacobians[0].column(j), 64, 0.0);
    check<64, 128>(jacobians, 2, 1, 1e-10);
    check<64, 256>(jacobians, 2, 1, 1e-10);
    const std::vector<double> log_sum = sums<64, 256, true>(joined(jacobians), 2, 1);
    for (const std::size_t j : {0, 16, 40, 63}) EXPECT_EQ(log_sum[j], -infinity);
}

TEST(CudaQrImplicit, NumbersThatAreNotFiniteEndAChainAlone) {
    std::vector<Matrix<double>> jacobians = random_jacobians(64);
    jacobians.resize(2);
    jacobians.push_back(jacobians[0]);
    jacobians[2](5, 6) = infinity;
    const std::vector<double> all = joined(jacobians), found = sums<64, 128, true>(all, 2, 2);
    for (std::size_t j = 0; j < 64; ++j) {
        EXPECT_TRUE(std::isfinite(found[j])) << j;    // steps 0 and 1
        EXPECT_TRUE(std::isnan(found[64 + j])) << j;  // steps 1 and 2
    }
}

TEST(CudaQrImplicit, BitsDependOnNeitherTheNumberNorTheOrderOfThreads) {
    const std::vector<double> all = joined(random_jacobians(64));
    const std::vector<double> first = sums<64, 128, true>(all, 3, 2), formed = sums<64, 128, false>(all, 3, 2);
    for (const Order order : orders) {
        const EmulationOrder guard(order);
        EXPECT_EQ((sums<64, 128, true>(all, 3, 2)), first);
        EXPECT_EQ((sums<64, 256, true>(all, 3, 2)), first);
        EXPECT_EQ((sums<64, 128, false>(all, 3, 2)), formed);
        EXPECT_EQ((sums<64, 256, false>(all, 3, 2)), formed);
    }
}

}  // namespace
}  // namespace aelle::cuda
