// Bounds of rounding of a chain on the device, against the host's own: the same factorisations go through both.
//
// Scales and single-step errors are maxima and products of the same numbers: to the last digits. Sums come out of products in single
// precision, which the two add up in another order. Where U is well conditioned that is u = 6e-8 times sqrt(K) to K, K <= 257, relative to
// terms that cancel to a W_ll some ten times smaller, below 1e-4 of the sums. Where R is graded, U amplifies what came before it by many orders
// of magnitude, rounding of single precision with it: there sums need only be right to a factor of 2, as estimates that are compared with
// tolerances far apart.

#include "kernels/cuda/chain_errors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "src/lyapunov/rounding.hpp"
#include "tests/cuda/emulation_order.hpp"

namespace aelle::cuda {
namespace {

using emulation::Order;

/// Of sums: a factor, and where terms cancel a share of the middle sum's root.
struct Tolerance {
    double factor, rounding;
};
constexpr Tolerance tame{1 + 1e-5, 4e-6}, unsteady{2.0, 0.0};
constexpr double infinity = std::numeric_limits<double>::infinity();

/// One step of a chain as a kernel sees it, and what the host says of it.
template <class T>
struct Recorded {
    Matrix<T> z, q;
    std::vector<double> log_r;
    Matrix<float> ratios;
    bool exact = false, counts = true;
    double disturbance = 0.0;  // after the step
    std::vector<double> scales, sums;
    double local_error = 0.0;
};

template <class T>
struct Chain {
    int dimension, columns;
    std::vector<Recorded<T>> steps;
};

/// J of step t.
template <class T>
using Jacobians = std::function<Matrix<T>(int t)>;

struct ChainOptions {
    int first_counted = 0;
    int disturbed_every = 0;
    bool exact_start = false;
};

/// Q_0 = 1 through `count` Jacobians by the reference backend, with the host's bounds.
template <class T>
Chain<T> record(int dimension, int columns, int count, const Jacobians<T>& jacobian, const ChainOptions& options = {}) {
    const auto backend = backend::make_reference();
    constexpr auto method = backend::QrMethod::accurate;
    backend::Backend::QrWork work;
    Chain<T> chain{dimension, columns, {}};
    lyapunov::Factorisation f(columns);
    lyapunov::ChainErrors<T> errors(columns);
    Matrix<T> q(dimension, columns);
    for (int j = 0; j < columns; ++j) q(j, j) = T(1);
    for (int t = 0; t < count; ++t) {
        Recorded<T> step;
        const Matrix<T> j = jacobian(t);
        step.z = Matrix<T>(dimension, columns);
        backend->multiply(false, false, j.view(), q.view(), T(0), step.z.view());
        q = step.z;
        f.template before<T>(method, step.z.view());
        backend->qr(method, q.view(), f.log_r, work, f.unit_r());
        f.template after<T>(method, q.view());
        f.exact_product = step.exact = options.exact_start && t == 0;
        step.counts = t >= options.first_counted;
        errors.add(f, step.counts);
        if (options.disturbed_every > 0 && t % options.disturbed_every == 0) errors.disturb(step.disturbance = 100.0);
        step.q = q;
        step.log_r = f.log_r;
        step.ratios = f.ratios;
        step.scales = f.scales;
        step.local_error = lyapunov::local_error<T>(f);
        step.sums = errors.sums();
        chain.steps.push_back(std::move(step));
    }
    return chain;
}

/// What a kernel finds for every step.
struct Found {
    std::vector<double> scales, sums, local_errors;
    std::vector<float> direction;
};

template <class T>
struct StepPointers {
    const T *z, *q;
    const double* log_r;
    const float* ratios;
    bool exact, counts;
    double disturbance;
};

/// All steps of a chain in one launch, by one team.
template <class T, int Threads>
struct Bounds {
    static constexpr int threads = Threads, blocks_per_multiprocessor = 1;
    ChainErrorsMemory memory;
    const StepPointers<T>* steps;
    int count, ratios_ld;
    double *scales, *sums, *local_errors;
    void operator()(const Block& block) const {
        const int d = memory.dimension, k = memory.columns;
        const Team team(block);
        const ChainErrors<T> errors(team, memory);
        errors.start();
        for (int t = 0; t < count; ++t) {
            const StepPointers<T>& step = steps[t];
            const View<const float> ratios{step.ratios, k, k, ratios_ld};
            errors.before({step.z, d, k, d});
            errors.after({step.q, d, k, d}, step.log_r, ratios);
            local_errors[t * team.threads() + team.thread()] = errors.local_error(step.log_r);
            errors.add(step.log_r, ratios, step.exact, step.counts);
            if (step.disturbance != 0.0) errors.disturb(step.disturbance);
            team.each(k, [&](int64_t j) {
                scales[t * k + j] = memory.scales()[j];
                sums[t * k + j] = memory.sums()[j];
            });
        }
    }
};

template <class T, int Threads>
Found bounds(const Chain<T>& chain, int blocks = 1) {
    constexpr std::size_t guard = 256;
    const std::size_t threads = static_cast<std::size_t>(Threads) * static_cast<std::size_t>(blocks);
    const auto bytes = static_cast<std::size_t>(ChainErrorsMemory::bytes(chain.dimension, chain.columns));
    AlignedVector<char> data(bytes + guard, static_cast<char>(0xFF));  // NaN
    const std::vector<float> noise = chain_noise(chain.columns);
    // Columns of ratios as close as they may lie, and no number where there need be none.
    const int ld = (chain.columns + 3) / 4 * 4;
    std::vector<AlignedVector<float>> ratios;
    std::vector<StepPointers<T>> steps;
    for (const Recorded<T>& step : chain.steps) {
        AlignedVector<float> close(static_cast<std::size_t>(ld) * static_cast<std::size_t>(chain.columns), NAN);
        for (int j = 0; j < chain.columns; ++j) std::copy_n(step.ratios.column(j), chain.columns, close.data() + j * ld);
        ratios.push_back(std::move(close));
        steps.push_back({step.z.data(), step.q.data(), step.log_r.data(), ratios.back().data(), step.exact, step.counts, step.disturbance});
    }
    const std::size_t count = steps.size(), columns = static_cast<std::size_t>(chain.columns);
    Found found{std::vector<double>(count * columns), std::vector<double>(count * columns), std::vector<double>(count * threads), {}};
    const ChainErrorsMemory memory{data.data(), noise.data(), chain.dimension, chain.columns};
    EXPECT_EQ(launch(nullptr, blocks, 0,
                     Bounds<T, Threads>{memory, steps.data(), static_cast<int>(count), ld, found.scales.data(), found.sums.data(),
                                        found.local_errors.data()},
                     blocks),
              0);
    for (std::size_t i = bytes; i < data.size(); ++i) EXPECT_EQ(data[i], static_cast<char>(0xFF)) << "written beyond its memory";
    for (std::size_t t = 0; t < count; ++t) {
        for (std::size_t i = 1; i < threads; ++i) EXPECT_EQ(found.local_errors[t * threads + i], found.local_errors[t * threads]);
        found.local_errors[t] = found.local_errors[t * threads];
    }
    found.local_errors.resize(count);
    found.direction.assign(memory.direction(), memory.direction() + memory.ld() * chain.columns);
    return found;
}

template <class A>
bool same_bits(const std::vector<A>& a, const std::vector<A>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(A)) == 0;
}
bool same_bits(const Found& a, const Found& b) {
    return same_bits(a.scales, b.scales) && same_bits(a.sums, b.sums) && same_bits(a.local_errors, b.local_errors) &&
           same_bits(a.direction, b.direction);
}

/// found within a factor of expected, and `more`; infinite and zero where that is.
void expect_within(double found, double expected, double factor, const std::string& where, double more = 0.0) {
    if (expected == 0.0) more = 0.0;
    EXPECT_GE(found, expected / factor - more) << where;
    EXPECT_LE(found, expected * factor + more) << where;
}

/// Sums are squares of sums in single precision, whose terms may cancel.
void expect_sums_within(std::span<const double> found, std::span<const double> expected, Tolerance most, const std::string& where) {
    std::vector<double> sorted(expected.begin(), expected.end());
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    const double more = std::isinf(*middle) ? 0.0 : most.rounding * std::sqrt(*middle);
    for (std::size_t j = 0; j < expected.size(); ++j)
        expect_within(std::sqrt(found[j]), std::sqrt(expected[j]), std::sqrt(most.factor), where + " column " + std::to_string(j), more);
}

template <class T>
void expect_agreement(const Found& found, const Chain<T>& chain, Tolerance most) {
    for (std::size_t t = 0; t < chain.steps.size(); ++t) {
        const Recorded<T>& step = chain.steps[t];
        expect_within(found.local_errors[t], step.local_error, 1 + 1e-12, "local error of step " + std::to_string(t));
        const std::size_t columns = static_cast<std::size_t>(chain.columns), at = t * columns;
        for (std::size_t j = 0; j < columns; ++j)
            expect_within(found.scales[at + j], step.scales[j], 1 + 1e-14,
                          "scale of step " + std::to_string(t) + " column " + std::to_string(j));
        expect_sums_within(std::span(found.sums).subspan(at, columns), step.sums, most, "sum of step " + std::to_string(t));
    }
}

template <class T>
void check(const Chain<T>& chain, Tolerance most) {
    expect_agreement(bounds<T, 128>(chain), chain, most);
}

/// Entries N(0, gain^2 / D).
template <class T>
Matrix<T> random_matrix(int n, double gain, uint64_t variant, int t) {
    RandomStream random(11, variant, Purpose::weights, static_cast<uint64_t>(t));
    Matrix<T> m(n, n);
    for (int64_t i = 0; i < m.size(); ++i) m.data()[i] = static_cast<T>(gain / std::sqrt(n) * random.normal());
    return m;
}

/// 1 + a small random matrix: R is close to 1, rounding adds up and hardly turns columns.
template <class T>
Jacobians<T> near_identity(int n) {
    return [n](int t) {
        Matrix<T> j = random_matrix<T>(n, 0.2, 1, t);
        for (int i = 0; i < n; ++i) j(i, i) += T(1);
        return j;
    };
}

/// Of h' = tanh(W h): rows of W, the same at all steps, times 1 - h^2 between 1 and exp(-range).
template <class T>
Jacobians<T> saturated(int n, double range) {
    return [n, range](int t) {
        Matrix<T> j = random_matrix<T>(n, 1.5, 2, 0);
        RandomStream random(11, 3, Purpose::weights, static_cast<uint64_t>(t));
        for (int i = 0; i < n; ++i) {
            const double slope = std::exp(-range * random.uniform());
            for (int k = 0; k < n; ++k) j(i, k) = static_cast<T>(static_cast<double>(j(i, k)) * slope);
        }
        return j;
    };
}

/// Rows and columns of a random matrix over `decades`, each in an order of its own.
template <class T>
Jacobians<T> graded(int n, double decades) {
    return [n, decades](int t) {
        Matrix<T> j = random_matrix<T>(n, 1.0, 4, t);
        for (int i = 0; i < n; ++i)
            for (int k = 0; k < n; ++k) {
                const double size = decades * (i * 37 % n + 0.3 * (k * 29 % n)) / (1.3 * n);
                j(i, k) = static_cast<T>(static_cast<double>(j(i, k)) * std::pow(10.0, -size));
            }
        return j;
    };
}

TEST(CudaChainErrors, TameChainsAgree) {
    check(record<double>(20, 20, 25, near_identity<double>(20)), tame);
    check(record<float>(20, 20, 25, near_identity<float>(20)), tame);
    check(record<double>(33, 33, 20, near_identity<double>(33)), tame);
    check(record<double>(64, 64, 20, near_identity<double>(64)), tame);
}

TEST(CudaChainErrors, FewerTangentsThanDimensions) {
    for (const int columns : {1, 2, 5, 16, 31}) check(record<double>(70, columns, 20, near_identity<double>(70)), tame);
    check(record<float>(50, 7, 20, near_identity<float>(50)), tame);
}

/// In units of u.
template <class T>
double largest_sum(const Chain<T>& chain) {
    const std::vector<double>& sums = chain.steps.back().sums;
    return *std::max_element(sums.begin(), sums.end()) / lyapunov::Precision<T>::unit;
}

TEST(CudaChainErrors, ManyColumns) {
    // with rows, columns and fours of products that are not whole
    check(record<double>(258, 257, 2, near_identity<double>(258)), tame);
}

TEST(CudaChainErrors, SaturatedChainsAgreeToAFactor) {
    const Chain<double> chain = record<double>(64, 64, 28, saturated<double>(64, 12.0));
    EXPECT_GT(largest_sum(chain), 1e4);
    check(chain, unsteady);
    check(record<double>(64, 24, 20, saturated<double>(64, 30.0)), unsteady);
    check(record<float>(40, 40, 20, saturated<float>(40, 6.0)), unsteady);
}

TEST(CudaChainErrors, GradedChainsAgreeToAFactor) {
    check(record<double>(40, 40, 20, graded<double>(40, 8.0)), unsteady);
    const Chain<double> chain = record<double>(40, 40, 20, graded<double>(40, 30.0));
    EXPECT_GT(largest_sum(chain), 1e12);
    check(chain, unsteady);
    check(record<float>(24, 24, 20, graded<float>(24, 4.0)), unsteady);
}

TEST(CudaChainErrors, ExtremeSizes) {
    // quotients of r_jj, of rounding and of the smallest number, beyond the range of exp
    for (const double size : {1e-150, 1e150})
        check(record<double>(20, 20, 1,
                             [&](int t) {
                                 Matrix<double> j = near_identity<double>(20)(t);
                                 for (int64_t i = 0; i < j.size(); ++i) j.data()[i] *= i % 20 < 10 ? size : 1.0;
                                 return j;
                             }),
              unsteady);
    check(record<double>(20, 20, 2, graded<double>(20, 280.0)), unsteady);
    // sizes over 900 in logarithms that rise from column to column
    check(record<double>(40, 40, 2,
                         [](int t) {
                             Matrix<double> j = near_identity<double>(40)(t);
                             if (t > 0) return j;
                             for (int i = 0; i < 40; ++i)
                                 for (int k = 0; k < 40; ++k) j(i, k) = i == k ? std::pow(10.0, 10 * i - 200) : 0.0;
                             return j;
                         }),
          unsteady);
}

/// 1 + small, with units of which `dead` neither have nor are an input, and `forgetful` are no input of any.
template <class T>
Jacobians<T> with_zeros(int n, std::vector<int> dead, std::vector<int> forgetful) {
    return [=](int t) {
        Matrix<T> j = near_identity<T>(n)(t);
        for (int i = 0; i < n; ++i) {
            for (const int k : dead) j(i, k) = j(k, i) = T(0);
            for (const int k : forgetful) j(i, k) = T(0);
        }
        return j;
    };
}

TEST(CudaChainErrors, ZeroColumns) {
    const Chain<double> dead = record<double>(21, 21, 20, with_zeros<double>(21, {0, 7, 8, 20}, {}));
    for (const int j : {0, 7, 8, 20}) {
        ASSERT_EQ(dead.steps.back().log_r[j], -infinity);
        EXPECT_EQ(dead.steps.back().sums[j], 0.0);  // the zeros are exact: no row is left
    }
    check(dead, tame);
    const Chain<double> forgetful = record<double>(21, 21, 1, with_zeros<double>(21, {3}, {5, 6}));
    ASSERT_EQ(forgetful.steps.back().log_r[5], -infinity);
    EXPECT_EQ(forgetful.steps.back().sums[5], infinity);
    EXPECT_EQ(forgetful.steps.back().sums[3], infinity);  // takes what row is left
    EXPECT_EQ(forgetful.steps.back().sums[6], 0.0);
    check(forgetful, tame);
    check(record<double>(30, 12, 20, with_zeros<double>(30, {2, 11, 29}, {})), tame);
    check(record<float>(9, 9, 3, [](int) { return Matrix<float>(9, 9); }), tame);
}

TEST(CudaChainErrors, ExactProducts) {
    // Columns of unlike size: of a Z that is exact the small ones are as well known as the large.
    const Jacobians<double> columns = [](int t) {
        Matrix<double> j = near_identity<double>(20)(t);
        if (t > 0) return j;
        for (int k = 0; k < 20; ++k)
            for (int i = 0; i < 20; ++i) j(i, k) *= std::pow(10.0, -k % 7);
        return j;
    };
    const Chain<double> exact = record<double>(20, 20, 4, columns, {.exact_start = true}), inexact = record<double>(20, 20, 4, columns);
    EXPECT_LT(exact.steps[0].sums[6], 1e-2 * inexact.steps[0].sums[6]);
    check(exact, tame);
    check(inexact, tame);
    check(record<double>(24, 9, 20, with_zeros<double>(24, {4}, {}), {.exact_start = true}), tame);
    check(record<float>(40, 40, 1, graded<float>(40, 4.0), {.exact_start = true}), unsteady);
}

TEST(CudaChainErrors, DisturbedColumnsAndStepsThatDoNotCount) {
    const Chain<double> disturbed = record<double>(33, 20, 20, near_identity<double>(33), {.first_counted = 6, .disturbed_every = 4});
    for (const double sum : disturbed.steps[5].sums) EXPECT_EQ(sum, 0.0);
    EXPECT_GT(largest_sum(disturbed), 3 * largest_sum(record<double>(33, 20, 20, near_identity<double>(33), {.first_counted = 6})));
    check(disturbed, tame);
}

TEST(CudaChainErrors, FactorisationsThatAreNoNumbersEnd) {
    Chain<double> chain = record<double>(20, 20, 3, near_identity<double>(20));
    chain.steps[1].z(3, 4) = chain.steps[1].q(3, 4) = NAN;
    std::fill(chain.steps[1].log_r.begin(), chain.steps[1].log_r.end(), NAN);
    const Found found = bounds<double, 64>(chain);
    for (std::size_t j = 0; j < 20; ++j) EXPECT_FALSE(found.sums[40 + j] < lyapunov::Precision<double>::exponent_tolerance);
}

template <class T>
void expect_same_bits(const Chain<T>& chain) {
    const Found one = bounds<T, 64>(chain);
    for (const Order order : {Order::ascending, Order::descending, Order::shuffled}) {
        const EmulationOrder guard(order);
        EXPECT_TRUE(same_bits(one, bounds<T, 64>(chain)));
        EXPECT_TRUE(same_bits(one, bounds<T, 128>(chain)));
        EXPECT_TRUE(same_bits(one, bounds<T, 256>(chain)));
        EXPECT_TRUE(same_bits(one, bounds<T, 512>(chain)));
    }
}

TEST(CudaChainErrors, BitsDependOnNothingElse) {
    expect_same_bits(record<double>(75, 42, 4, with_zeros<double>(75, {0, 5, 41}, {7}), {.disturbed_every = 2, .exact_start = true}));
    expect_same_bits(record<double>(80, 80, 3, saturated<double>(80, 12.0)));
    expect_same_bits(record<float>(50, 3, 4, near_identity<float>(50), {.exact_start = true}));
    expect_same_bits(record<float>(258, 257, 1, near_identity<float>(258), {.exact_start = true}));
}

template <class T>
void expect_same_bits_of_teams(const Chain<T>& chain, const std::vector<int>& sizes) {
    const Found one = bounds<T, 64>(chain);
    for (const Order order : {Order::ascending, Order::descending, Order::shuffled}) {
        const EmulationOrder guard(order);
        for (const int blocks : sizes) EXPECT_TRUE(same_bits(one, bounds<T, 64>(chain, blocks))) << blocks << " blocks";
    }
}

TEST(CudaChainErrors, BitsDoNotDependOnTheTeam) {
    expect_same_bits_of_teams(
        record<double>(75, 42, 3, with_zeros<double>(75, {0, 5, 41}, {7}), {.disturbed_every = 2, .exact_start = true}), {1, 2, 4, 8});
    expect_same_bits_of_teams(record<float>(20, 5, 3, near_identity<float>(20), {.exact_start = true}), {4, 16});
    // rows whose columns several warps share
    expect_same_bits_of_teams(record<double>(150, 140, 2, saturated<double>(150, 12.0)), {4, 16});
    // sums in four parts; of so many some cancel more, in two parts as well
    const Chain<float> many = record<float>(515, 514, 1, near_identity<float>(515));
    const Found found = bounds<float, 256>(many, 4);
    expect_agreement(found, many, Tolerance{1 + 1e-3, 0.0});
    EXPECT_TRUE(same_bits(found, bounds<float, 128>(many)));
}

/// Functions right after one another, and what they leave read by other threads than those that wrote it.
struct Barriers {
    static constexpr int threads = 128, blocks_per_multiprocessor = 1;
    ChainErrorsMemory memory;
    const double* log_r;  // (2 x K)
    double *direction, *local_errors;
    void operator()(const Block& block) const {
        const Team team(block);
        const ChainErrors<double> errors(team, memory);
        team.each(memory.columns, [&](int64_t j) { memory.scales()[j] = 1.0; });
        errors.start();
        errors.disturb(1.0);
        errors.disturb(2.0);
        const int size = memory.ld() * memory.columns;
        for (int i = team.threads() - 1 - team.thread(); i < size; i += team.threads())
            direction[i] = static_cast<double>(memory.direction()[i]);
        local_errors[team.thread()] = errors.local_error(log_r);
        local_errors[team.threads() + team.thread()] = errors.local_error(log_r + memory.columns);
    }
};

TEST(CudaChainErrors, FunctionsEndWithBarriers) {
    constexpr int columns = 40;
    const std::vector<float> noise = chain_noise(columns);
    std::vector<double> log_r(2 * columns);
    for (std::size_t j = 0; j < log_r.size(); ++j) log_r[j] = j < columns ? -0.1 * static_cast<double>(j) : 10.0;
    const auto error = [](double log) { return std::sqrt(50.0) * std::exp(std::log(0x1p-53) - log); };  // of scale 1
    for (const int run : {0, 1, 2, 3, 4, 5}) {
        const EmulationOrder guard(std::array{Order::ascending, Order::descending, Order::shuffled}[run % 3]);
        const int blocks = run < 3 ? 1 : 4, threads = blocks * Barriers::threads;
        AlignedVector<char> data(static_cast<std::size_t>(ChainErrorsMemory::bytes(50, columns)), static_cast<char>(0xFF));
        const ChainErrorsMemory memory{data.data(), noise.data(), 50, columns};
        std::vector<double> direction(static_cast<std::size_t>(memory.ld() * columns)), local_errors(static_cast<std::size_t>(2 * threads));
        ASSERT_EQ(launch(nullptr, blocks, 0, Barriers{memory, log_r.data(), direction.data(), local_errors.data()}, blocks), 0);
        for (int l = 0; l < columns; ++l)
            for (int k = 0; k < memory.ld(); ++k) {
                const int at = k + l * 241 % 2053;
                const float expected = k > l && k < columns ? noise[at + 389] + 2.0f * noise[at + 778] : 0.0f;
                EXPECT_NEAR(direction[k + l * memory.ld()], expected, 1e-6) << k << ", " << l;
            }
        for (int t = 0; t < threads; ++t) {
            EXPECT_NEAR(local_errors[t], error(-0.1 * (columns - 1)), 1e-12 * local_errors[t]);
            EXPECT_NEAR(local_errors[threads + t], error(10.0), 1e-12 * local_errors[t]);
        }
    }
}

TEST(CudaChainErrors, NoiseIsUniformWithVarianceOne) {
    const std::vector<float> noise = chain_noise(20);
    ASSERT_EQ(noise.size(), 20u + 2 * 2053);
    double sum = 0.0, square = 0.0;
    for (const float x : noise) {
        EXPECT_LT(std::fabs(x), std::sqrt(3.0f) * (1 + 1e-6f));
        sum += x;
        square += x * x;
    }
    // of 4126 numbers: standard deviations 0.016 and 0.014
    EXPECT_NEAR(sum / static_cast<double>(noise.size()), 0.0, 0.07);
    EXPECT_NEAR(square / static_cast<double>(noise.size()), 1.0, 0.06);
}

}  // namespace
}  // namespace aelle::cuda
