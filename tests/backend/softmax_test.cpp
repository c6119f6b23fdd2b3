// Softmax and cross-entropy of both CPU backends against long double, and at the edges of the numbers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "aelle/backend/choose.hpp"
#include "aelle/base/matrix.hpp"
#include "aelle/base/random.hpp"
#include "kernels/cpu/batch_stage.hpp"

namespace aelle::backend {
namespace {

template <class T>
class Softmax : public testing::Test {
protected:
    std::vector<std::shared_ptr<Backend>> backends_{choose(Device::cpu).backend, make_reference()};
};
using Precisions = testing::Types<float, double>;
TYPED_TEST_SUITE(Softmax, Precisions);

TYPED_TEST(Softmax, GivesProbabilitiesAndTheirLogarithms) {
    using T = TypeParam;
    const double unit = std::numeric_limits<T>::epsilon();  // a - max has an error of up to 60 of them
    for (const int64_t classes : {1, 2, 7, 8, 10, 16, 17, 33, 82})
        for (const double width : {1e-3, 3.0, 60.0})
            for (const auto& backend : this->backends_) {
                const int64_t columns = 9;
                RandomStream random(3, static_cast<uint64_t>(classes), Purpose::weights);
                Matrix<T> logits(classes, columns);
                for (int64_t i = 0; i < logits.size(); ++i) logits.data()[i] = static_cast<T>(random.uniform(-width, width));
                std::vector<int32_t> targets;
                for (int64_t j = 0; j < columns; ++j) targets.push_back(static_cast<int32_t>(random.below(classes)));
                const Matrix<T> before = logits;
                const SoftmaxLoss loss = backend->softmax(targets, logits.view());
                double expected = 0.0;
                int64_t correct = 0;
                for (int64_t j = 0; j < columns; ++j) {
                    long double sum = 0.0L;
                    int64_t likeliest = 0;
                    for (int64_t c = 0; c < classes; ++c) {
                        sum += std::exp(static_cast<long double>(before(c, j)));
                        if (before(c, j) > before(likeliest, j)) likeliest = c;
                    }
                    const int64_t target = targets[static_cast<std::size_t>(j)];
                    correct += likeliest == target;
                    expected += static_cast<double>(std::log(sum) - static_cast<long double>(before(target, j)));
                    for (int64_t c = 0; c < classes; ++c) {
                        const auto p = static_cast<double>(std::exp(static_cast<long double>(before(c, j))) / sum);
                        EXPECT_NEAR(static_cast<double>(logits(c, j)), p, 1e-37 + 200 * unit * p)
                            << backend->name() << " " << classes << " classes of " << width;
                    }
                }
                EXPECT_NEAR(loss.sum, expected, 20 * unit * (1 + width)) << backend->name();
                EXPECT_EQ(loss.correct, correct) << backend->name();
            }
}

TYPED_TEST(Softmax, TakesTheFirstOfEqualClassesAndNoNumberThatIsNotFinite) {
    using T = TypeParam;
    constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    for (const auto& backend : this->backends_) {
        const auto correct = [&](std::vector<T> logits, int32_t target, double* loss = nullptr) {
            const auto n = static_cast<int64_t>(logits.size());
            const SoftmaxLoss found = backend->softmax(std::vector<int32_t>{target}, MatrixView<T>{logits.data(), n, 1, n});
            if (loss) *loss = found.sum;
            return found.correct;
        };
        EXPECT_EQ(correct({1, 2, 2, 0}, 1), 1) << backend->name();
        EXPECT_EQ(correct({1, 2, 2, 0}, 2), 0) << backend->name();
        double loss = 0.0;
        EXPECT_EQ(correct({-infinity, 5, 0}, 0, &loss), 0) << backend->name();
        EXPECT_EQ(loss, std::numeric_limits<double>::infinity()) << backend->name();
        EXPECT_EQ(correct({infinity, 5, 0}, 0, &loss), 0) << backend->name();
        EXPECT_TRUE(std::isnan(loss)) << backend->name();
        EXPECT_EQ(correct({0, nan, 1}, 1, &loss), 0) << backend->name();
        EXPECT_TRUE(std::isnan(loss)) << backend->name();
        // As far apart as the numbers go: a probability of 0 has its logarithm all the same.
        EXPECT_EQ(correct({0, -1000, 0}, 1, &loss), 0) << backend->name();
        EXPECT_NEAR(loss, 1000 + std::log(2.0), 1e-3) << backend->name();
    }
}

TYPED_TEST(Softmax, LoopsOfAllInstructionSetsAgree) {
    using T = TypeParam;
    const double unit = std::numeric_limits<T>::epsilon();
    for (int set = 0; set <= static_cast<int>(cpu::best_instruction_set()); ++set) {
        const auto& loops = cpu::elementwise<T>(static_cast<cpu::InstructionSet>(set));
        for (int64_t n = 1; n < 70; ++n) {
            RandomStream random(4, static_cast<uint64_t>(n), Purpose::weights);
            std::vector<T> x(static_cast<std::size_t>(n));
            for (T& value : x) value = static_cast<T>(random.uniform(-5.0, -1.0));
            const T top = loops.largest(n, x.data());
            EXPECT_EQ(top, *std::max_element(x.begin(), x.end()));
            std::vector<T> p = x;
            const T sum = loops.normalise(n, p.data(), top);
            double expected = 0.0;
            for (const T value : x) expected += std::exp(static_cast<double>(value - top));
            EXPECT_NEAR(static_cast<double>(sum), expected, 20 * unit * expected) << set << " " << n;
            for (std::size_t i = 0; i < x.size(); ++i)
                EXPECT_NEAR(static_cast<double>(p[i]), std::exp(static_cast<double>(x[i] - top)) / expected, 30 * unit) << set << " " << n;
        }
    }
}

}  // namespace
}  // namespace aelle::backend
