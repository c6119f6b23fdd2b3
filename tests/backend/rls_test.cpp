// Recursive least squares of the CPU backend, for every instruction set that this processor has.

#include "kernels/cpu/rls.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fixtures/random_network.hpp"
#include "fixtures/ridge.hpp"

namespace {

using namespace aelle;
using cpu::InstructionSet;
using cpu::InverseCorrelation;

constexpr double unit_roundoff = std::numeric_limits<double>::epsilon() / 2;

std::vector<InstructionSet> sets() {
    std::vector<InstructionSet> all;
    for (const auto set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512})
        if (set <= cpu::best_instruction_set()) all.push_back(set);
    return all;
}

std::vector<std::vector<double>> samples(int64_t n, int64_t count) {
    std::vector<std::vector<double>> r;
    for (int64_t t = 0; t < count; ++t) r.push_back(fixtures::random_vector(n, 0.6, static_cast<uint64_t>(1000 * n + t)));
    return r;
}

AlignedVector<double> aligned(const std::vector<double>& values) {
    AlignedVector<double> result(static_cast<std::size_t>(cpu::padded<double>(static_cast<int64_t>(values.size()))));
    std::copy(values.begin(), values.end(), result.begin());
    return result;
}

TEST(RecursiveLeastSquares, PIsTheInverseOfTheRegularisedCorrelationAndTheGainIsPTimesTheSample) {
    for (const InstructionSet set : sets()) {
        for (const int64_t n : {1, 7, 8, 9, 24, 61}) {
            for (const double alpha : {0.1, 1.0, 30.0}) {
                const auto r = samples(n, 90);
                InverseCorrelation p(n, alpha, set);
                AlignedVector<double> gain;
                for (const auto& sample : r) {
                    gain = aligned(sample);
                    p.update(aligned(sample).data(), gain.data());
                }
                const auto exact = fixtures::ridge(r, std::vector<double>(r.size()), std::vector<double>(static_cast<std::size_t>(n)), alpha);
                // Entries of P are at most 1 / alpha; each update adds errors of that size times the unit roundoff and sqrt(N).
                const double tolerance = unit_roundoff * 90.0 * std::sqrt(static_cast<double>(n)) / alpha;
                const auto packed = p.packed();
                std::size_t next = 0;
                for (int64_t j = 0; j < n; ++j)
                    for (int64_t i = j; i < n; ++i)
                        ASSERT_NEAR(packed[next++], static_cast<double>(exact.p[static_cast<std::size_t>(i * n + j)]), tolerance);
                for (int64_t i = 0; i < n; ++i) {  // k = P_old r / (1 + r . P_old r) = P_new r
                    long double k = 0.0L;
                    for (int64_t j = 0; j < n; ++j) k += exact.p[static_cast<std::size_t>(i * n + j)] * r.back()[j];
                    EXPECT_NEAR(gain[i], static_cast<double>(k), tolerance * static_cast<double>(n)) << cpu::name(set) << " N " << n;
                }
            }
        }
    }
}

TEST(RecursiveLeastSquares, PackingAndUnpackingChangesNoBit) {
    for (const InstructionSet set : sets()) {
        for (const int64_t n : {1, 8, 13, 40}) {
            const auto r = samples(n, 50);
            InverseCorrelation whole(n, 1.0, set), cut(n, 1.0, set);
            for (const auto& sample : r) {
                AlignedVector<double> a = aligned(sample), b = aligned(sample);
                whole.update(aligned(sample).data(), a.data());
                cut.update(aligned(sample).data(), b.data());
                cut = InverseCorrelation(n, cut.packed(), set);
                ASSERT_EQ(a, b) << cpu::name(set) << " N " << n;
            }
            EXPECT_EQ(whole.packed(), cut.packed());
        }
    }
}

TEST(RecursiveLeastSquares, StartsAtTheIdentityOverAlpha) {
    for (const InstructionSet set : sets()) {
        const auto packed = InverseCorrelation(19, 4.0, set).packed();
        std::size_t next = 0;
        for (int64_t j = 0; j < 19; ++j)
            for (int64_t i = j; i < 19; ++i) EXPECT_EQ(packed[next++], i == j ? 0.25 : 0.0);
    }
}

TEST(RecursiveLeastSquares, DotProductSumsEveryElement) {
    for (const InstructionSet set : sets()) {
        for (const int64_t n : {8, 16, 64, 520}) {
            const auto a = aligned(fixtures::random_vector(n, 1.0, 1)), b = aligned(fixtures::random_vector(n, 1.0, 2));
            long double sum = 0.0L, size = 0.0L;
            for (int64_t i = 0; i < n; ++i) {
                sum += static_cast<long double>(a[i]) * b[i];
                size += std::fabs(static_cast<long double>(a[i]) * b[i]);
            }
            EXPECT_NEAR(cpu::dot_product(set)(n, a.data(), b.data()), static_cast<double>(sum),
                        static_cast<double>(size) * unit_roundoff * (static_cast<double>(n) / 2.0 + 2.0));
        }
    }
}

}  // namespace
