// Options, intervals, snapshots and failures of a run.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "aelle/base/error.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "tests/fixtures/quad.hpp"
#include "tests/fixtures/random_network.hpp"
#include "tests/lyapunov/systems.hpp"

namespace aelle::lyapunov {
namespace {

using namespace test;

template <class T>
std::unique_ptr<TangentSystem<T>> rank1_system(int64_t n, double gain, uint64_t seed) {
    const cells::CellSpec& cell = cells::find_cell("rank1");
    auto parameters = fixtures::random_parameters(cell, {.hidden = n}, 0.2, seed);
    for (double& x : parameters.tensors["weight_hh_l0"]) x *= gain;
    for (double& x : parameters.tensors["weight_out"]) x *= 0.5;
    const std::vector<T> state = fixtures::converted<T>(fixtures::random_vector(n, 0.5, seed + 1));
    if constexpr (std::is_same_v<T, double>)
        return network_system<T>(cpu().network(cell, {.hidden = n}, parameters, backend::TangentSpace::full), {}, state);
    else return network_system<T>(cpu().network_single(cell, {.hidden = n}, parameters, backend::TangentSpace::full), {}, state);
}

double largest_difference(const Spectrum& a, const Spectrum& b) {
    double worst = 0;
    for (std::size_t i = 0; i < std::min(a.exponents.size(), b.exponents.size()); ++i)
        worst = nan_max(worst, std::fabs(a.exponents[i] - b.exponents[i]));
    return worst;
}

TEST(SpectrumRun, SumOfExponentsIsTheMeanLogDeterminant) {
    constexpr int64_t n = 64, steps = 150;
    const auto system = rank1_system<double>(n, 1.5, 3);
    const Spectrum found = spectrum_of(*system, {.steps = steps});
    const auto again = rank1_system<double>(n, 1.5, 3);
    double mean = 0;
    for (int64_t t = 0; t < steps; ++t) {  // plain Gaussian elimination in long double
        again->advance(t);
        Matrix<double> j(n, n);
        again->jacobian(j.view());
        std::vector<std::vector<long double>> a(n, std::vector<long double>(n));
        for (int64_t r = 0; r < n; ++r)
            for (int64_t c = 0; c < n; ++c) a[r][c] = j(r, c);
        for (int64_t k = 0; k < n; ++k) {
            int64_t best = k;
            for (int64_t r = k; r < n; ++r) best = std::fabs(a[r][k]) > std::fabs(a[best][k]) ? r : best;
            std::swap(a[k], a[best]);
            mean += static_cast<double>(std::log(std::fabs(a[k][k]))) / steps;
            for (int64_t r = k + 1; r < n; ++r)
                for (int64_t c = n - 1; c >= k; --c) a[r][c] -= a[r][k] / a[k][k] * a[k][c];
        }
    }
    EXPECT_NEAR(std::accumulate(found.exponents.begin(), found.exponents.end(), 0.0), mean, 1e-10);
    EXPECT_LT(found.logdet_defect, 1e-10);
    for (const uint8_t reliable : found.reliable) EXPECT_TRUE(reliable);
    EXPECT_LT(found.factorisations, steps / 2);  // mild: automatic intervals are long
}

TEST(SpectrumRun, LeadingExponentsAreThoseOfTheWholeSpectrum) {
    for (const auto qr : {backend::QrMethod::accurate, backend::QrMethod::library}) {
        const auto whole = rank1_system<double>(40, 1.5, 3), part = rank1_system<double>(40, 1.5, 3);
        const SpectrumOptions all{.steps = 2000, .warmup = 500, .interval = 1, .qr = qr};
        SpectrumOptions leading = all;
        leading.exponents = 7;
        const Spectrum full = spectrum_of(*whole, all), few = spectrum_of(*part, leading);
        ASSERT_EQ(few.exponents.size(), 7U);
        EXPECT_TRUE(std::isnan(few.logdet_defect));
        // The last ones may have changed places with columns that only the whole spectrum has.
        for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(few.exponents[i], full.exponents[i], 1e-9) << i;
    }
}

TEST(SpectrumRun, AutomaticAndLongIntervalsAgreeWithOne) {
    for (const double gain : {0.5, 1.5, 4.0, 15.0}) {
        for (const int64_t exponents : {0, 5}) {
            const SpectrumOptions one{.exponents = exponents, .steps = 157, .warmup = 13, .interval = 1};
            const auto a = rank1_system<double>(50, gain, 9);
            const Spectrum reference = spectrum_of(*a, one);
            for (const int64_t interval : {0, 2, 7}) {
                SpectrumOptions options = one;
                options.interval = interval;
                const auto b = rank1_system<double>(50, gain, 9);
                const Spectrum found = spectrum_of(*b, options);
                // A fixed interval may cost accuracy; what it does not flag is right.
                for (std::size_t i = 0; i < found.exponents.size(); ++i) {
                    if (interval == 0 || found.reliable[i]) {
                        EXPECT_NEAR(found.exponents[i], reference.exponents[i], interval == 0 ? 1e-9 : 1e-7)
                            << "gain " << gain << " interval " << interval;
                    }
                }
                EXPECT_LT(found.factorisations, reference.factorisations);
            }
        }
    }
}

/// Products with transient growth that the diagonal of R does not show.
std::vector<Matrix<double>> non_normal_matrices(int64_t n, double shear, double contraction, uint64_t seed) {
    std::vector<Matrix<double>> matrices;
    RandomStream random(seed, 0, Purpose::weights);
    for (int m = 0; m < 5; ++m) {
        Matrix<double> a(n, n);
        for (int64_t i = 0; i < n; ++i) {
            a(i, i) = std::pow(contraction, static_cast<double>(i)) * (0.9 + 0.2 * random.uniform());
            for (int64_t j = i + 1; j < n; ++j) a(i, j) = shear * random.normal();
        }
        matrices.push_back(m % 2 == 0 ? a : transposed(a));
    }
    return matrices;
}

TEST(SpectrumRun, AutomaticIntervalIsSafeForNonNormalGrowth) {
    double danger = 0;  // what a fixed interval would have cost
    for (const double shear : {0.0, 1.0, 30.0, 1e4, 1e8}) {
        for (const double contraction : {1.0, 0.9, 0.3}) {
            for (const int64_t exponents : {1, 3, 10}) {
                const auto run = [&](int64_t interval) {
                    MatrixProduct<double> system(non_normal_matrices(10, shear, contraction, 5));
                    return spectrum_of(system, {.exponents = exponents, .steps = 400, .warmup = 20, .interval = interval});
                };
                const Spectrum reference = run(1), found = run(0), fixed = run(16);
                for (std::size_t i = 0; i < found.exponents.size(); ++i) {
                    if (!reference.reliable[i]) continue;  // interval 1 itself is rounding there
                    EXPECT_NEAR(found.exponents[i], reference.exponents[i], 1e-9)
                        << "shear " << shear << " contraction " << contraction << " of " << exponents << ": " << i;
                    danger = std::max(danger, std::fabs(fixed.exponents[i] - reference.exponents[i]));
                }
            }
        }
    }
    EXPECT_GT(danger, 1e-3);
}

/// Growth that starts only after many harmless steps, so that the interval is long when it comes. One factorisation of such a step leaves
/// the last exponent to rounding.
TEST(SpectrumRun, AutomaticIntervalSurvivesASuddenBurst) {
    std::vector<Matrix<double>> matrices(300, matrix(3, {0.99, 0.02, 0, 0, 0.98, 0.01, 0.01, 0, 0.97}));
    matrices[200] = matrix(3, {1, 1e9, 0, 0, 1, 1e7, 0, 0, 1});
    matrices[201] = matrix(3, {1e-9, 0, 0, 1, 1e-8, 0, 3, 1, 1});
    fixtures::QuadMatrix q(3, 3);
    for (int64_t i = 0; i < 3; ++i) q(i, i) = 1;
    std::array<double, 3> exact{};
    for (const Matrix<double>& m : matrices) {
        fixtures::QuadMatrix step(3, 3);
        std::copy_n(m.data(), 9, step.data.begin());
        q = product(step, q);
        const std::vector<double> logs = fixtures::givens_qr(q);
        for (std::size_t i = 0; i < 3; ++i) exact[i] += logs[i] / 300;
    }
    for (const auto qr : {backend::QrMethod::accurate, backend::QrMethod::library}) {
        for (const int64_t interval : {0, 1}) {
            MatrixProduct<double> system(matrices);
            const Spectrum found = spectrum_of(system, {.steps = 300, .interval = interval, .qr = qr});
            for (std::size_t i = 0; i < 2; ++i) {
                EXPECT_NEAR(found.exponents[i], exact[i], 1e-9);
                EXPECT_TRUE(found.reliable[i]);
            }
            if (qr == backend::QrMethod::accurate) {
                EXPECT_NEAR(found.exponents[2], exact[2], 1e-9);
            } else {
                EXPECT_GT(std::fabs(found.exponents[2] - exact[2]), 1e-6);
                EXPECT_FALSE(found.reliable[2]);
            }
            EXPECT_LT(found.factorisations, interval == 0 ? 60 : 310);
        }
    }
}

TEST(SpectrumRun, LongFixedIntervalsDoNotOverflowOrUnderflow) {
    for (const double size : {1e30, 1e-30}) {
        MatrixProduct<double> system({matrix(2, {3 * size, 0, 0, 2 * size})});
        const Spectrum found = spectrum_of(system, {.steps = 100, .interval = 50});
        EXPECT_NEAR(found.exponents[0], std::log(3 * size), 1e-12);
        EXPECT_NEAR(found.exponents[1], std::log(2 * size), 1e-6);
    }
}

TEST(SpectrumRun, TooLongAFixedIntervalIsFlagged) {
    MatrixProduct<double> system({matrix(2, {1, 0.5, 0.5, 1})});  // eigenvalues 1.5 and 0.5
    const Spectrum found = spectrum_of(system, {.steps = 100, .interval = 50});
    EXPECT_NEAR(found.exponents[0], std::log(1.5), 0.01);
    EXPECT_TRUE(found.reliable[0]);
    EXPECT_GT(std::fabs(found.exponents[1] - std::log(0.5)), 1e-3);  // (1/3)^50 is far below rounding
    EXPECT_FALSE(found.reliable[1]);
}

TEST(SpectrumRun, CountsAShorterLastBlock) {
    MatrixProduct<double> system({matrix(2, {2, 0, 0, 0.5})});
    const Spectrum found = spectrum_of(system, {.steps = 10, .warmup = 5, .interval = 4});
    EXPECT_NEAR(found.exponents[0], std::log(2.0), 1e-14);
    EXPECT_NEAR(found.exponents[1], std::log(0.5), 1e-14);
    EXPECT_EQ(found.factorisations, 2 + 3);
}

TEST(SpectrumRun, WarmupIsNotAveraged) {
    // The first three matrices expand by e^5, the rest contract.
    std::vector<Matrix<double>> matrices(13, matrix(1, {std::exp(-1.0)}));
    for (std::size_t i = 0; i < 3; ++i) matrices[i] = matrix(1, {std::exp(5.0)});
    MatrixProduct<double> a(matrices), b(matrices);
    EXPECT_NEAR(spectrum_of(a, {.steps = 10, .warmup = 3}).exponents[0], -1.0, 1e-14);
    EXPECT_NEAR(spectrum_of(b, {.steps = 13}).exponents[0], (3 * 5.0 - 10) / 13, 1e-14);
}

TEST(SpectrumRun, GoesOnWithTheSameBitsAfterASnapshot) {
    struct Chain {
        double gain;
        SpectrumOptions options;
    };
    const Chain chains[] = {{4.0, {.exponents = 12, .steps = 60, .warmup = 20, .interval = 0}},
                            {4.0, {.exponents = 12, .steps = 60, .warmup = 20, .interval = 1}},
                            {4.0, {.exponents = 12, .steps = 60, .warmup = 20, .interval = 3}},
                            {1.0, {.steps = 130, .interval = 1}}};  // by Gram matrices, with determinants of later blocks
    for (const auto& [gain, options] : chains) {
        const auto system = rank1_system<double>(30, gain, 5);
        SpectrumRun<double> whole(cpu(), *system, options);
        std::vector<std::vector<std::byte>> snapshots;
        while (!whole.done()) {
            ArchiveWriter archive;
            whole.save(archive);
            snapshots.push_back(archive.take());
            whole.advance();
        }
        EXPECT_EQ(whole.steps_done(), options.warmup + options.steps);
        const Spectrum expected = whole.result();
        for (const auto& snapshot : snapshots) {
            const auto fresh = rank1_system<double>(30, gain, 5);
            SpectrumRun<double> resumed(cpu(), *fresh, options);
            ArchiveReader archive(snapshot);
            resumed.load(archive);
            EXPECT_TRUE(archive.empty());
            while (!resumed.done()) resumed.advance();
            const Spectrum found = resumed.result();
            for (std::size_t i = 0; i < expected.exponents.size(); ++i)
                EXPECT_EQ(std::bit_cast<uint64_t>(found.exponents[i]), std::bit_cast<uint64_t>(expected.exponents[i]));
            EXPECT_EQ(found.factorisations, expected.factorisations);
            EXPECT_EQ(found.reliable, expected.reliable);
            EXPECT_EQ(std::bit_cast<uint64_t>(found.logdet_defect), std::bit_cast<uint64_t>(expected.logdet_defect));
        }
    }
}

TEST(SpectrumRun, RefusesASnapshotOfAnotherSize) {
    const auto small = rank1_system<double>(6, 1.0, 5), large = rank1_system<double>(7, 1.0, 5);
    SpectrumRun<double> from(cpu(), *small, {.steps = 5}), to(cpu(), *large, {.steps = 5});
    ArchiveWriter archive;
    from.save(archive);
    ArchiveReader reader(archive.bytes());
    EXPECT_THROW(to.load(reader), DataError);
    ArchiveReader truncated(std::span(archive.bytes()).first(20));
    EXPECT_THROW(from.load(truncated), DataError);
}

TEST(SpectrumRun, ReportsATrajectoryThatIsNotFinite) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const int64_t interval : {0, 1, 4}) {
        const auto system = rank1_system<double>(8, 1.0, 5);
        system->state()[3] = nan;
        const Spectrum found = spectrum_of(*system, {.steps = 20, .interval = interval});
        EXPECT_FALSE(found.finite);
        for (const double x : found.exponents) EXPECT_TRUE(std::isnan(x));
        for (const uint8_t reliable : found.reliable) EXPECT_FALSE(reliable);

        std::vector<Matrix<double>> matrices(20, matrix(2, {1, 0, 0, 1}));
        matrices[13](0, 1) = std::numeric_limits<double>::infinity();
        MatrixProduct<double> late(matrices);
        EXPECT_FALSE(spectrum_of(late, {.steps = 20, .interval = interval}).finite);
    }
}

TEST(SpectrumRun, NamesOptionsOutOfRange) {
    MatrixProduct<double> system({matrix(2, {1, 0, 0, 1})});
    const auto message = [&](const SpectrumOptions& options) -> std::string {
        try {
            SpectrumRun<double>(cpu(), system, options);
        } catch (const UsageError& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_NE(message({.exponents = 3, .steps = 1}).find("exponents: found 3"), std::string::npos);
    EXPECT_NE(message({.steps = 0}).find("steps: found 0"), std::string::npos);
    EXPECT_NE(message({.steps = 1, .warmup = -1}).find("warmup: found -1"), std::string::npos);
    EXPECT_NE(message({.steps = 1, .interval = -2}).find("interval: found -2"), std::string::npos);
}

TEST(SpectrumRun, WorksInSinglePrecision) {
    const auto exact = rank1_system<double>(30, 1.2, 5);
    const auto single = rank1_system<float>(30, 1.2, 5);
    const SpectrumOptions options{.steps = 40};
    const Spectrum expected = compute_spectrum(cpu(), *exact, options), found = compute_spectrum(cpu(), *single, options);
    EXPECT_LT(largest_difference(found, expected), 1e-3);
    for (const uint8_t reliable : found.reliable) EXPECT_TRUE(reliable);
    EXPECT_LT(found.factorisations, 40);
}

TEST(NetworkSystem, ReadsItsInputsInOrderAndChecksThem) {
    const auto system = rank1_system<double>(5, 1.0, 5);
    EXPECT_EQ(system->dimension(), 5);
    EXPECT_EQ(system->state().size(), 5U);
    const cells::CellSpec& cell = cells::find_cell("rank1");
    const auto parameters = fixtures::random_parameters(cell, {.hidden = 5}, 0.2, 1);
    EXPECT_THROW(
        network_system<double>(cpu().network(cell, {.hidden = 5}, parameters, backend::TangentSpace::full), {}, std::vector<double>(4)),
        DataError);
}

}  // namespace
}  // namespace aelle::lyapunov
