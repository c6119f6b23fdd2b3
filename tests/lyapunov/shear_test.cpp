// Steps that come as a product J = P S, P unit triangular, as those of an LSTM do.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "aelle/backend/extended.hpp"
#include "aelle/base/double_double.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "tests/fixtures/quad.hpp"
#include "tests/lyapunov/systems.hpp"

namespace aelle::lyapunov {
namespace {

using namespace test;

struct Step {
    Matrix<double> p, s;
};

/// S = [[O, 0], [K, diag f]] and P = [[I, diag e], [0, I]] with rows of O and values of f spread over exp(-spread) to 1.
std::vector<Step> saturated_steps(int64_t h, int64_t count, double spread, uint64_t seed) {
    RandomStream random(seed, 0, Purpose::weights);
    std::vector<Step> steps;
    for (int64_t t = 0; t < count; ++t) {
        Step step{Matrix<double>(2 * h, 2 * h), Matrix<double>(2 * h, 2 * h)};
        for (int64_t i = 0; i < h; ++i) {
            const double o = std::exp(-spread * random.uniform()), k = std::exp(-0.2 * spread * random.uniform());
            for (int64_t j = 0; j < h; ++j) {
                step.s(i, j) = o * random.normal();
                step.s(h + i, j) = k * random.normal();
            }
            step.s(h + i, h + i) = std::exp(-spread * random.uniform());
            step.p(i, i) = step.p(h + i, h + i) = 1;
            step.p(i, h + i) = random.uniform();
        }
        steps.push_back(std::move(step));
    }
    return steps;
}

/// s' = P_t S_t s, its parts known or, `assembled`, only the product.
template <class T>
class ShearedProduct final : public TangentSystem<T> {
public:
    ShearedProduct(const std::vector<Step>& steps, bool assembled) {
        const Matrix<double>& first = steps.front().p;
        for (const Step& step : steps) {
            p_.emplace_back(first.rows(), first.rows());
            s_.emplace_back(first.rows(), first.rows());
            Matrix<double> j(first.rows(), first.rows());
            cpu().multiply(false, false, view(step.p), view(step.s), 0.0, j.view());
            for (int64_t i = 0; i < first.size(); ++i) {
                p_.back().data()[i] = static_cast<T>(assembled ? i % (first.rows() + 1) == 0 : step.p.data()[i]);
                s_.back().data()[i] = static_cast<T>(assembled ? j.data()[i] : step.s.data()[i]);
            }
        }
    }
    int64_t dimension() const override { return p_.front().rows(); }
    std::span<T> state() override { return state_; }
    void advance(int64_t step) override {
        at_ = static_cast<std::size_t>(step) % p_.size();
        state_[0] += T(1);
    }
    void tangent(MatrixView<const T> v, MatrixView<T> w) override {
        unsheared_tangent(v, w);
        shear(w);
    }
    void jacobian(MatrixView<T> j) override { cpu().multiply(false, false, view(p_[at_]), view(s_[at_]), T(0), j); }
    void unsheared_tangent(MatrixView<const T> v, MatrixView<T> w) override { cpu().multiply(false, false, view(s_[at_]), v, T(0), w); }
    void unsheared_jacobian(MatrixView<T> s) override { std::copy_n(s_[at_].data(), s_[at_].size(), s.data); }
    void shear(MatrixView<T> v) override {
        Matrix<T> w(v.rows, v.cols);
        cpu().multiply(false, false, view(p_[at_]), v, T(0), w.view());
        for (int64_t j = 0; j < v.cols; ++j) std::copy_n(w.column(j), v.rows, v.column(j));
    }

    bool extended() const override { return true; }
    void extended_jacobian(MatrixView<DoubleDouble> j) override {
        for (int64_t i = 0; i < j.rows * j.rows; ++i) j.data[i] = static_cast<double>(s_[at_].data()[i]);
    }
    void extended_shear(MatrixView<DoubleDouble> v) override {
        Matrix<DoubleDouble> p(v.rows, v.rows), w(v.rows, v.cols);
        for (int64_t i = 0; i < p.size(); ++i) p.data()[i] = static_cast<double>(p_[at_].data()[i]);
        backend::extended_multiply(view(p), v, w.view());
        std::copy_n(w.data(), w.size(), v.data);
    }

private:
    template <class R>
    static MatrixView<const R> view(const Matrix<R>& m) {
        return m.view();
    }
    std::vector<Matrix<T>> p_, s_;
    std::size_t at_ = 0;
    std::array<T, 1> state_{};
};

/// Exponents in the order of columns, of steps warmup to warmup + steps.
std::vector<double> exact(const std::vector<Step>& steps, int64_t warmup, int64_t count, bool transposed = false) {
    const int64_t n = steps.front().p.rows();
    fixtures::QuadMatrix q(n, n), p(n, n), s(n, n);
    for (int64_t i = 0; i < n; ++i) q(i, i) = 1;
    std::vector<double> sum(static_cast<std::size_t>(n), 0.0);
    for (int64_t t = 0; t < warmup + count; ++t) {
        const Step& step = steps[static_cast<std::size_t>(t)];
        for (int64_t i = 0; i < n; ++i) {
            for (int64_t j = 0; j < n; ++j) {
                p(i, j) = transposed ? step.s(j, i) : step.p(i, j);
                s(i, j) = transposed ? step.p(j, i) : step.s(i, j);
            }
        }
        const auto factor = [&] {
            const std::vector<double> logs = fixtures::givens_qr(q);
            for (std::size_t i = 0; i < logs.size(); ++i) sum[i] += t < warmup ? 0.0 : logs[i] / static_cast<double>(count);
        };
        // The wide parts are factored apart: 113 bits are not enough for the product of the most saturated ones.
        q = fixtures::product(s, q);
        factor();
        q = fixtures::product(p, q);
        if (t + 1 == warmup || t + 1 == warmup + count || transposed) factor();
    }
    return sum;
}

struct Errors {
    double unflagged = 0, flagged = 0;
    int64_t flags = 0;
};

Errors errors_of(const Spectrum& found, const std::vector<double>& expected) {
    Errors errors;
    for (std::size_t i = 0; i < found.exponents.size(); ++i) {
        double& worst = found.reliable[i] ? errors.unflagged : errors.flagged;
        worst = nan_max(worst, std::fabs(found.exponents[i] - expected[i]));
        errors.flags += found.reliable[i] == 0;
    }
    return errors;
}

TEST(ShearedSteps, AreRight) {
    for (const double spread : {0.0, 3.0, 12.0}) {
        for (const uint64_t seed : {1, 2, 3}) {
            const std::vector<Step> steps = saturated_steps(12, 10, spread, seed);
            const std::vector<double> expected = exact(steps, 0, 10);
            for (const int64_t interval : {0, 1}) {
                ShearedProduct<double> parts(steps, false), whole(steps, true);
                const SpectrumOptions options{.steps = 10, .interval = interval, .sorted = false};
                const Spectrum found = spectrum_of(parts, options);
                const Errors right = errors_of(found, expected), assembled = errors_of(spectrum_of(whole, options), expected);
                EXPECT_EQ(right.flags, 0) << "spread " << spread << " seed " << seed;
                EXPECT_LT(right.unflagged, 1e-9) << "spread " << spread << " seed " << seed;
                EXPECT_LT(found.logdet_defect, 1e-9 * (1 + spread));
                EXPECT_LT(assembled.unflagged, 1e-6) << "spread " << spread << " seed " << seed;
            }
        }
    }
}

/// Later columns grow by up to exp(200) more than earlier ones: a turned direction of 1e-16 stays, whatever the factorisation.
TEST(ShearedSteps, OfAnySpreadAreRightOrFlagged) {
    int64_t wrong_and_flagged = 0;
    for (const double spread : {25.0, 60.0, 200.0}) {
        for (const uint64_t seed : {1, 2, 3}) {
            const std::vector<Step> steps = saturated_steps(12, 10, spread, seed);
            const std::vector<double> expected = exact(steps, 0, 10);
            for (const bool assembled : {false, true}) {
                ShearedProduct<double> system(steps, assembled);
                const Errors errors = errors_of(spectrum_of(system, {.steps = 10, .interval = 1, .sorted = false}), expected);
                EXPECT_LT(errors.unflagged, 1e-6) << "spread " << spread << " seed " << seed << " assembled " << assembled;
                wrong_and_flagged += errors.flagged > 1e-3;
            }
        }
    }
    EXPECT_GT(wrong_and_flagged, 0);  // else nothing would have needed a flag
}

TEST(ShearedSteps, AreDoneAgainInExtendedPrecisionWhereFlagged) {
    int64_t flags = 0, flags_left = 0;
    for (const double spread : {12.0, 25.0, 60.0}) {
        for (const uint64_t seed : {1, 2, 3}) {
            const std::vector<Step> steps = saturated_steps(12, 12, spread, seed);
            const std::vector<double> expected = exact(steps, 2, 10);
            for (const int64_t exponents : {0, 7}) {
                ShearedProduct<double> once(steps, false), again(steps, false);
                SpectrumOptions options{.exponents = exponents, .steps = 10, .warmup = 2, .sorted = false};
                const Errors before = errors_of(spectrum_of(once, options), expected);
                options.extended_up_to = 24;
                const Spectrum found = spectrum_of(again, options);
                const Errors errors = errors_of(found, expected);
                EXPECT_EQ(found.extended, before.flags > 0) << "spread " << spread << " seed " << seed;
                EXPECT_LE(errors.flags, before.flags) << "spread " << spread << " seed " << seed;
                EXPECT_LT(errors.unflagged, found.extended ? 1e-9 : 1e-6) << "spread " << spread << " seed " << seed;
                if (spread > 30) continue;  // amplified by more than double-double arithmetic can bear
                flags += before.flags;
                flags_left += errors.flags;
            }
        }
    }
    EXPECT_LT(2 * flags_left, flags);
}

TEST(ShearedSteps, OfLargerSpacesAreNotExtended) {
    ShearedProduct<double> system(saturated_steps(12, 10, 60.0, 1), false);
    EXPECT_FALSE(spectrum_of(system, {.steps = 10, .extended_up_to = 23}).extended);
}

TEST(ShearedSteps, OfFewExponentsAndAfterAWarmupToo) {
    const std::vector<Step> steps = saturated_steps(9, 14, 12.0, 5);
    const std::vector<double> expected = exact(steps, 4, 10);
    for (const int64_t exponents : {1, 5, 9, 13, 18}) {
        for (const int64_t interval : {0, 1}) {
            ShearedProduct<double> system(steps, false);
            const Spectrum found =
                spectrum_of(system, {.exponents = exponents, .steps = 10, .warmup = 4, .interval = interval, .sorted = false});
            ASSERT_EQ(found.exponents.size(), static_cast<std::size_t>(exponents));
            EXPECT_LT(errors_of(found, expected).unflagged, 1e-9);
            EXPECT_EQ(errors_of(found, expected).flags, 0);
        }
    }
}

TEST(ShearedSteps, OfMildSystemsAllowLongerIntervals) {
    const std::vector<Step> steps = saturated_steps(6, 64, 0.5, 7);
    const std::vector<double> expected = exact(steps, 8, 56);
    for (const int64_t interval : {0, 1, 2}) {
        ShearedProduct<double> system(steps, false);
        const Spectrum found = spectrum_of(system, {.steps = 56, .warmup = 8, .interval = interval, .sorted = false});
        EXPECT_LT(errors_of(found, expected).unflagged, 1e-9) << interval;
        EXPECT_EQ(errors_of(found, expected).flags, 0) << interval;
        EXPECT_LT(found.factorisations, interval == 1 ? 80 : 64);
    }
}

TEST(ShearedSteps, TransposedIsTheProductInReverseOrder) {
    const std::vector<Step> steps = saturated_steps(5, 10, 3.0, 5);
    const std::vector<double> expected = exact(steps, 2, 8, true);
    std::vector<double> sorted = expected;
    std::sort(sorted.rbegin(), sorted.rend());
    EXPECT_NE(sorted, expected);  // columns cross
    for (const auto qr : {backend::QrMethod::accurate, backend::QrMethod::library}) {
        for (const bool in_order : {false, true}) {
            for (const int64_t interval : {0, 1, 2}) {
                ShearedProduct<double> system(steps, false);
                const Spectrum found =
                    spectrum_of(system, {.steps = 8, .warmup = 2, .interval = interval, .qr = qr, .transposed = true, .sorted = in_order});
                const Errors errors = errors_of(found, in_order ? sorted : expected);
                EXPECT_LT(std::max(errors.unflagged, errors.flagged), 1e-8) << interval;
                EXPECT_LT(found.logdet_defect, 1e-10);
            }
        }
    }
}

TEST(ShearedSteps, GoOnWithTheSameBitsAfterASnapshot) {
    const std::vector<Step> steps = saturated_steps(8, 20, 60.0, 6);
    for (const int64_t interval : {0, 1, 3}) {
        const SpectrumOptions options{.steps = 15, .warmup = 5, .interval = interval, .extended_up_to = interval == 0 ? 16 : 0};
        ShearedProduct<double> system(steps, false);
        SpectrumRun<double> whole(cpu(), system, options);
        std::vector<std::vector<std::byte>> snapshots;
        while (!whole.done()) {
            whole.advance();
            ArchiveWriter archive;
            whole.save(archive);
            snapshots.push_back(archive.take());
        }
        const Spectrum expected = whole.result();
        EXPECT_EQ(expected.extended, interval == 0);
        for (const auto& snapshot : snapshots) {
            ShearedProduct<double> fresh(steps, false);
            SpectrumRun<double> resumed(cpu(), fresh, options);
            ArchiveReader archive(snapshot);
            resumed.load(archive);
            EXPECT_TRUE(archive.empty());
            while (!resumed.done()) resumed.advance();
            const Spectrum found = resumed.result();
            for (std::size_t i = 0; i < expected.exponents.size(); ++i)
                EXPECT_EQ(std::bit_cast<uint64_t>(found.exponents[i]), std::bit_cast<uint64_t>(expected.exponents[i])) << interval;
            EXPECT_EQ(std::bit_cast<uint64_t>(found.logdet_defect), std::bit_cast<uint64_t>(expected.logdet_defect));
            EXPECT_EQ(found.reliable, expected.reliable);
            EXPECT_EQ(found.factorisations, expected.factorisations);
        }
    }
}

/// O = 0, as an LSTM whose output gates do not depend on h: half of the exponents do not exist.
TEST(ShearedSteps, ThatAreSingularHaveInfiniteExponents) {
    std::vector<Step> steps = saturated_steps(7, 10, 20.0, 8);
    for (Step& step : steps)
        for (int64_t j = 0; j < 7; ++j)
            for (int64_t i = 0; i < 7; ++i) step.s(i, j) = 0;
    for (const int64_t interval : {0, 1}) {
        ShearedProduct<double> system(steps, false);
        const Spectrum found = spectrum_of(system, {.steps = 10, .interval = interval, .extended_up_to = 14});
        EXPECT_TRUE(found.finite);
        EXPECT_EQ(found.logdet_defect, 0.0);
        for (std::size_t i = 0; i < 14; ++i) EXPECT_EQ(std::isinf(found.exponents[i]), i >= 7) << i << " interval " << interval;
        std::vector<double> expected = exact(steps, 0, 10);
        std::sort(expected.rbegin(), expected.rend());
        for (std::size_t i = 0; i < 7; ++i) {
            EXPECT_TRUE(found.reliable[i]);
            EXPECT_NEAR(found.exponents[i], expected[i], 1e-9) << i;
        }
    }
}

TEST(ShearedSteps, InSinglePrecisionAreRightOrFlagged) {
    for (const double spread : {0.5, 3.0, 12.0, 60.0}) {
        const std::vector<Step> steps = saturated_steps(10, 10, spread, 9);
        const std::vector<double> expected = exact(steps, 0, 10);
        for (const int64_t interval : {0, 1}) {
            ShearedProduct<float> system(steps, false);
            const Spectrum found = compute_spectrum(cpu(), system, {.steps = 10, .interval = interval, .sorted = false});
            const Errors errors = errors_of(found, expected);
            EXPECT_TRUE(found.finite);
            EXPECT_LT(errors.unflagged, 1e-3) << spread;
            EXPECT_LE(errors.flags, spread < 5 ? 0 : 20) << spread;
        }
    }
}

}  // namespace
}  // namespace aelle::lyapunov
