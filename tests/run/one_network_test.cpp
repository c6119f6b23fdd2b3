// aelle train and aelle spectrum on one network, against plain loops written here from the published equations.
#include "program.hpp"

#include <cmath>
#include <random>

namespace aelle::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

using Vector = std::vector<double>;

/// A small random network, row-major M as in the files.
struct Net {
    int64_t n;
    double dt = 0.1;
    Vector m, w_fb, w_out, x;
    double z = 0.3;

    explicit Net(int64_t units, double gain) : n(units) {
        std::mt19937 random(11);
        std::normal_distribution<double> normal;
        for (int64_t i = 0; i < n * n; ++i) m.push_back(gain * normal(random) / std::sqrt(static_cast<double>(n)));
        for (int64_t i = 0; i < n; ++i) {
            w_fb.push_back(normal(random));
            w_out.push_back(0.1 * normal(random));
            x.push_back(0.5 * normal(random));
        }
    }

    void write(const fs::path& path) const {
        io::H5Writer file;
        file.write("weight_hh_l0", m, {n, n});
        file.write("weight_fb", w_fb, {n});
        file.write("weight_out", w_out, {n});
        file.write("x", x, {n});
        file.write("z", Vector{z}, {});
        file.commit(path);
    }

    /// x' = (1 - dt) x + dt (M tanh x + w_f z); returns z' = w_o . tanh x'.
    double step() {
        Vector next(x.size());
        for (int64_t i = 0; i < n; ++i) {
            double a = w_fb[i] * z;
            for (int64_t j = 0; j < n; ++j) a += m[i * n + j] * std::tanh(x[j]);
            next[i] = (1 - dt) * x[i] + dt * a;
        }
        x = next;
        z = 0;
        for (int64_t i = 0; i < n; ++i) z += w_out[i] * std::tanh(x[i]);
        return z;
    }
};

class OneNetwork : public ProgramTest {
protected:
    void write_inputs(int64_t sequences, int64_t steps) const {
        io::H5Writer file;
        file.write("inputs", Vector{}, {sequences, steps, 0});
        file.commit(scratch_ / "inputs.h5");
    }
    Outcome spectrum(const std::vector<std::string>& more) const {
        std::vector<std::string> words{"spectrum",      "--cell", "rank1", "--weights", scratch_ / "net.h5", "--inputs", scratch_ / "inputs.h5", "-o",
                                       scratch_ / "s.h5"};
        words.insert(words.end(), more.begin(), more.end());
        return aelle(words);
    }
};

// Dense RLS as in Sussillo & Abbott 2009; 60 steps stay far from where chaos would amplify rounding.
TEST_F(OneNetwork, TrainFollowsThePublishedEquations) {
    Net net(24, 1.2);
    net.write(scratch_ / "net.h5");
    const Outcome outcome = aelle({"train", "--cell", "rank1", "--task", "signal", "--init-weights", scratch_ / "net.h5", "--steps", "60", "--target",
                                   "fixed", "-o", scratch_ / "out.h5"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const io::H5Reader file(scratch_ / "out.h5");
    const auto target = file.read<double>("target", {60});
    const auto output = file.read<double>("output", {60});
    Vector p(net.n * net.n, 0.0);
    for (int64_t i = 0; i < net.n; ++i) p[i * net.n + i] = 1.0;
    const auto raw = [](int64_t t) {
        const double phase = M_PI * 0.1 * static_cast<double>(t) / 60;
        return std::sin(phase) + std::sin(2 * phase) / 2 + std::sin(3 * phase) / 6 + std::sin(4 * phase) / 3;
    };
    for (int64_t t = 0; t < 60; ++t) {
        // The fixed target is odd about half its period, so its raw offset is zero and normalising only scales it.
        ASSERT_NEAR(target[t], target[1] / raw(1) * raw(t), 1e-9);
        const double z = net.step();
        ASSERT_NEAR(output[t], z, 1e-9) << t;
        if (t % 2 != 0) continue;
        Vector r(net.n), pr(net.n, 0.0);
        for (int64_t i = 0; i < net.n; ++i) r[i] = std::tanh(net.x[i]);
        for (int64_t i = 0; i < net.n; ++i) {
            for (int64_t j = 0; j < net.n; ++j) pr[i] += p[i * net.n + j] * r[j];
        }
        double denominator = 1;
        for (int64_t i = 0; i < net.n; ++i) denominator += r[i] * pr[i];
        for (int64_t i = 0; i < net.n; ++i) {
            for (int64_t j = 0; j < net.n; ++j) p[i * net.n + j] -= pr[i] * pr[j] / denominator;
            net.w_out[i] -= (z - target[t]) * pr[i] / denominator;
        }
    }
    const auto w_out = file.read<double>("weight_out", {net.n});
    for (int64_t i = 0; i < net.n; ++i) EXPECT_NEAR(w_out[i], net.w_out[i], 1e-9);
    EXPECT_EQ(file.read<double>("weight_hh_l0", {net.n, net.n}), net.m);
    EXPECT_EQ(file.dims("z").size(), 0u);
    EXPECT_GT(file.number("/", "seconds"), 0.0);
}

TEST_F(OneNetwork, TrainedWeightsCanBeGivenToSpectrum) {
    ASSERT_EQ(aelle({"train", "--cell", "rank1", "--task", "signal", "--hidden", "40", "--epochs", "1", "--seed", "3", "-o", scratch_ / "net.h5"}).status, 0);
    write_inputs(2, 50);
    const Outcome outcome = spectrum({"--exponents", "5"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(io::H5Reader(scratch_ / "s.h5").dims("exponents"), (io::Dims{2, 5}));
}

// Modified Gram-Schmidt in long double along the same trajectory.
TEST_F(OneNetwork, SpectrumMatchesPlainLoops) {
    const int64_t n = 16, steps = 40;
    Net net(n, 0.9);
    net.write(scratch_ / "net.h5");
    write_inputs(1, steps);
    io::H5Writer initial;
    initial.write("x0", net.x, {1, n});
    initial.commit(scratch_ / "x0.h5");
    ASSERT_EQ(spectrum({"--initial-state", (scratch_ / "x0.h5").string() + ":x0", "--interval", "1"}).status, 0);
    net.z = 0;
    for (int64_t i = 0; i < n; ++i) net.z += net.w_out[i] * std::tanh(net.x[i]);
    using Real = long double;
    std::vector<std::vector<Real>> q(n, std::vector<Real>(n, 0));
    std::vector<Real> sum(n, 0);
    for (int64_t i = 0; i < n; ++i) q[i][i] = 1;
    for (int64_t t = 0; t < steps; ++t) {
        std::vector<std::vector<Real>> next(n, std::vector<Real>(n, 0));
        for (int64_t k = 0; k < n; ++k) {
            for (int64_t i = 0; i < n; ++i) {
                next[k][i] = (1 - net.dt) * q[k][i];
                for (int64_t j = 0; j < n; ++j) {
                    const Real slope = 1 - std::pow(std::tanh(static_cast<Real>(net.x[j])), 2);
                    next[k][i] += net.dt * (net.m[i * n + j] + net.w_fb[i] * net.w_out[j]) * slope * q[k][j];
                }
            }
            for (int64_t before = 0; before < k; ++before) {
                Real dot = 0;
                for (int64_t i = 0; i < n; ++i) dot += next[before][i] * next[k][i];
                for (int64_t i = 0; i < n; ++i) next[k][i] -= dot * next[before][i];
            }
            Real norm = 0;
            for (int64_t i = 0; i < n; ++i) norm += next[k][i] * next[k][i];
            norm = std::sqrt(norm);
            sum[k] += std::log(norm);
            for (int64_t i = 0; i < n; ++i) next[k][i] /= norm;
        }
        q = next;
        net.step();
    }
    std::vector<double> expected;
    for (const Real s : sum) expected.push_back(static_cast<double>(s / steps));
    std::sort(expected.rbegin(), expected.rend());
    const io::H5Reader file(scratch_ / "s.h5");
    const auto found = file.read<double>("exponents", {1, n});
    for (int64_t k = 0; k < n; ++k) EXPECT_NEAR(found[k], expected[k], 1e-10) << k;
    EXPECT_LT(file.number("/", "logdet_defect"), 1e-10);
    for (const uint8_t flag : file.read<uint8_t>("reliable")) EXPECT_EQ(flag, 1);
}

TEST_F(OneNetwork, SpectrumOptionsAgreeWithEachOther) {
    Net(16, 0.9).write(scratch_ / "net.h5");
    write_inputs(3, 30);
    const auto exponents = [&](const std::vector<std::string>& more) {
        EXPECT_EQ(spectrum(more).status, 0);
        return io::H5Reader(scratch_ / "s.h5").read<double>("exponents");
    };
    const Vector every = exponents({"--interval", "1"});
    const auto expect_near = [&](const Vector& other, double tolerance, double unit = 1.0) {
        ASSERT_EQ(other.size(), every.size());
        for (std::size_t i = 0; i < every.size(); ++i) EXPECT_NEAR(other[i] * unit, every[i], tolerance);
    };
    expect_near(exponents({"--interval", "auto"}), 1e-9);
    expect_near(exponents({"--interval", "7"}), 1e-9);
    expect_near(exponents({"--qr", "library"}), 1e-9);
    expect_near(exponents({"--log", "2"}), 1e-9, std::log(2.0));
    expect_near(exponents({"--precision", "single"}), 1e-4);
    expect_near(exponents({"--threads", "2"}), 1e-9);
    Process ranks(mpirun(2, {"spectrum", "--cell", "rank1", "--weights", scratch_ / "net.h5", "--inputs", scratch_ / "inputs.h5", "-o", scratch_ / "s.h5",
                             "--interval", "1"}),
                  scratch_);
    ASSERT_EQ(ranks.wait().status, 0);
    EXPECT_EQ(io::H5Reader(scratch_ / "s.h5").read<double>("exponents"), every);
}

TEST_F(OneNetwork, BadFilesAreNamed) {
    Net(16, 0.9).write(scratch_ / "net.h5");
    write_inputs(1, 30);
    const auto refuse = [&](const std::vector<std::string>& more, int status, const std::string& words) {
        const Outcome outcome = spectrum(more);
        EXPECT_EQ(outcome.status, status);
        EXPECT_TRUE(contains(outcome.err, words)) << outcome.err;
    };
    refuse({"--exponents", "17"}, 64, "--exponents: found 17, expected at most 16");
    refuse({"--warmup", "30"}, 64, "--warmup: found 30");
    refuse({"--initial-state", scratch_ / "inputs.h5"}, 65, "initial_state");
    io::H5Writer wrong;
    wrong.write("weight_hh_l0", Vector(12), {4, 3});
    for (const char* name : {"weight_fb", "weight_out"}) wrong.write(name, Vector(4), {4});
    wrong.commit(scratch_ / "net.h5");
    refuse({}, 65, "weight_hh_l0: found shape (4, 3)");
    std::ofstream(scratch_ / "net.h5") << "not HDF5";
    refuse({}, 65, "net.h5: not an HDF5 file");
    fs::remove(scratch_ / "net.h5");
    refuse({}, 66, "net.h5: not found");
}

}  // namespace
}  // namespace aelle::test
