#include <gtest/gtest.h>
#include <cmath>
#include <limits>

#include "aelle/base/archive.hpp"
#include "aelle/base/dual.hpp"
#include "aelle/base/matrix.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/text.hpp"

namespace aelle {
namespace {

TEST(Dual, DifferentiatesLikeCentralDifferences) {
    const auto f = [](auto x, auto y) { return tanh(x * y + x) * sigmoid(y - x) / (x * x + y * y) - x; };
    using D = Dual<double, 2>;
    const double x = 0.7, y = -1.3, h = 1e-6;
    const D result = f(D::variable(x, 0), D::variable(y, 1));
    const auto value = [&](double a, double b) { return f(D(a), D(b)).value; };
    EXPECT_NEAR(result.d[0], (value(x + h, y) - value(x - h, y)) / (2 * h), 1e-9);
    EXPECT_NEAR(result.d[1], (value(x, y + h) - value(x, y - h)) / (2 * h), 1e-9);
}

// sech^2(a) = 4 exp(-2|a|) (1 - 2 exp(-2|a|) + ...): at a = 40 the first term is exact to 1e-34, where 1 - tanh^2 is zero.
TEST(Dual, KeepsDerivativesOfSaturatedUnits) {
    using D = Dual<double, 1>;
    EXPECT_NEAR(tanh(D::variable(40.0, 0)).d[0] / (4 * std::exp(-80.0)), 1.0, 1e-14);
    EXPECT_NEAR(tanh(D::variable(-40.0, 0)).d[0] / (4 * std::exp(-80.0)), 1.0, 1e-14);
    EXPECT_NEAR(sigmoid(D::variable(-40.0, 0)).d[0] / std::exp(-40.0), 1.0, 1e-14);
    EXPECT_NEAR(sigmoid(D::variable(40.0, 0)).d[0] / std::exp(-40.0), 1.0, 1e-14);
    EXPECT_EQ(tanh(D::variable(1e4, 0)).d[0], 0.0);
}

TEST(NanMax, LosesNoNaN) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(nan_max(1, 2), 2);
    EXPECT_EQ(nan_max(2, 1), 2);
    EXPECT_TRUE(std::isnan(nan_max(nan, 1)));
    EXPECT_TRUE(std::isnan(nan_max(1, nan)));
}

TEST(Archive, GivesBackWhatWasSaved) {
    ArchiveWriter writer;
    writer.value(int64_t{-5});
    writer.array(std::vector<double>{1.5, -0.0, std::numeric_limits<double>::infinity()});
    writer.array(std::vector<uint8_t>{});
    ArchiveReader reader(writer.bytes());
    EXPECT_EQ(reader.value<int64_t>(), -5);
    std::vector<double> reals;
    reader.array(reals);
    EXPECT_EQ(reals, (std::vector<double>{1.5, -0.0, std::numeric_limits<double>::infinity()}));
    std::vector<uint8_t> none{1, 2};
    reader.array(none);
    EXPECT_TRUE(none.empty());
    EXPECT_TRUE(reader.empty());
}

TEST(Archive, RefusesTruncatedAndHostileSnapshots) {
    ArchiveWriter writer;
    writer.array(std::vector<double>(10));
    const auto& bytes = writer.bytes();
    std::vector<double> values;
    ArchiveReader shorter{std::span<const std::byte>(bytes.data(), bytes.size() - 1)};
    EXPECT_THROW(shorter.array(values), DataError);
    ArchiveWriter hostile;
    hostile.value(std::numeric_limits<uint64_t>::max());
    ArchiveReader reader(hostile.bytes());
    EXPECT_THROW(reader.array(values), DataError);
    EXPECT_THROW(ArchiveReader({}).value<double>(), DataError);
}

TEST(Text, FindsTheNearestWord) {
    const std::vector<std::string> words{"hidden", "count", "cells", "init_values"};
    EXPECT_EQ(nearest("hiden", words), "hidden");
    EXPECT_EQ(nearest("init_value", words), "init_values");
    EXPECT_EQ(nearest("zzzzzz", words), "");
    EXPECT_EQ(did_you_mean("cont", words), ", did you mean 'count'?");
}

TEST(Text, ExactNumbersReadBackTheSame) {
    for (const double value : {0.1, 1.0 / 3, -1e-300, 12345678.9}) EXPECT_EQ(std::stod(exact(value)), value);
    EXPECT_EQ(exact(std::nan("")), "nan");
    EXPECT_EQ(exact(-std::nan("")), "nan");
    EXPECT_EQ(exact(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(Text, SaysDurationsAndSizesForPeople) {
    EXPECT_EQ(duration(4.25), "4.2 s");
    EXPECT_EQ(duration(185), "3 min 05 s");
    EXPECT_EQ(duration(3720), "1 h 02 min");
    EXPECT_EQ(duration(std::nan("")), "unknown");
    EXPECT_EQ(byte_size(512), "512 B");
    EXPECT_EQ(byte_size(1536), "1.5 KiB");
}

TEST(Matrix, IsColumnMajorAlignedAndZero) {
    Matrix<double> m(3, 2);
    m(2, 1) = 5.0;
    EXPECT_EQ(m.data()[5], 5.0);
    EXPECT_EQ(m.view().block(1, 1, 2, 1)(1, 0), 5.0);
    EXPECT_EQ(m(0, 0), 0.0);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(m.data()) % 64, 0u);
}

}  // namespace
}  // namespace aelle
