// aelle spectrum on given networks of every cell, against plain loops of the published equations (given_network.hpp).
#include "given_network.hpp"

namespace aelle::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class GivenSpectrum : public ProgramTest {
protected:
    static constexpr int64_t sequences = 3, steps = 25, features = 3;

    /// (n, T, d) numbers, and the same in a file.
    Reals write_inputs(int64_t count = sequences, int64_t length = steps, int64_t width = features) const {
        RandomStream random(3, 0, Purpose::noise);
        Reals values;
        for (int64_t i = 0; i < count * length * width; ++i) values.push_back(random.uniform(-1, 1));
        io::H5Writer file;
        file.write("inputs", values, {count, length, width});
        file.commit(scratch_ / "x.h5");
        return values;
    }
    std::vector<std::string> words(const std::string& cell, const std::string& weights, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all{"spectrum", "--cell", cell, "--weights", scratch_ / weights, "--inputs", scratch_ / "x.h5", "-o", scratch_ / "s.h5"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    Outcome spectrum(const std::string& cell, const std::string& weights, const std::vector<std::string>& more = {}) const {
        return aelle(words(cell, weights, more));
    }
    io::H5Reader result() const { return io::H5Reader(scratch_ / "s.h5"); }

    void expect_reference(const GivenNet& net, const Reals& inputs, const Reals& initial = {}, bool hidden_only = false, int64_t warmup = 0) const {
        const auto found = result().read<double>("exponents");
        const int64_t n = hidden_only ? net.hidden : net.dimension(), d = net.dimension();
        ASSERT_EQ(static_cast<int64_t>(found.size()), sequences * n);
        for (int64_t i = 0; i < sequences; ++i) {
            const Reals x(inputs.begin() + i * steps * net.input, inputs.begin() + (i + 1) * steps * net.input);
            const Reals state = initial.empty() ? Reals(d, 0.0) : Reals(initial.begin() + i * d, initial.begin() + (i + 1) * d);
            const Reals expected = reference_spectrum(net, x, steps, state, hidden_only, warmup);
            for (int64_t k = 0; k < n; ++k) EXPECT_NEAR(found[i * n + k], expected[k], 1e-8) << net.cell << " sequence " << i << " exponent " << k;
        }
    }
};

TEST_F(GivenSpectrum, EveryCellAgreesWithItsPublishedEquations) {
    const Reals inputs = write_inputs();
    for (const char* cell : {"rnn", "lstm", "gru", "asrnn", "asrnn-gated", "cornn", "lipschitz", "noisy", "lem", "rank1"}) {
        const GivenNet net = given_net(cell, 10, features);
        write_h5(net, scratch_ / "net.h5");
        const Outcome outcome = spectrum(cell, "net.h5");
        ASSERT_EQ(outcome.status, 0) << cell << outcome.err;
        expect_reference(net, inputs);
        EXPECT_LT(result().number("/", "logdet_defect"), 1e-9) << cell;
        for (const uint8_t flag : result().read<uint8_t>("reliable")) EXPECT_EQ(flag, 1) << cell;
        if (net.blocks == 1) continue;
        ASSERT_EQ(spectrum(cell, "net.h5", {"--state", "hidden"}).status, 0);
        expect_reference(net, inputs, {}, true);
    }
}

TEST_F(GivenSpectrum, SafetensorsWithPrefixInitialStateAndWarmUp) {
    const Reals inputs = write_inputs();
    for (const char* cell : {"rnn", "lstm", "gru"}) {
        const GivenNet net = given_net(cell, 10, features);
        write_safetensors(net, scratch_ / "net.safetensors", "module.rnn.");
        RandomStream random(5, 0, Purpose::noise);
        Reals initial;
        for (int64_t i = 0; i < sequences * net.dimension(); ++i) initial.push_back(random.uniform(-0.5, 0.5));
        io::H5Writer file;
        file.write("s0", initial, {sequences, net.dimension()});
        file.commit(scratch_ / "s0.h5");
        const Outcome outcome = spectrum(cell, "net.safetensors", {"--initial-state", (scratch_ / "s0.h5").string() + ":s0", "--warmup", "5"});
        ASSERT_EQ(outcome.status, 0) << outcome.err;
        expect_reference(net, inputs, initial, false, 5);
    }
}

TEST_F(GivenSpectrum, ScalarsComeFromTheCommandLineFirst) {
    const Reals inputs = write_inputs();
    GivenNet net = given_net("lipschitz", 8, features);
    io::H5Writer file;
    for (const auto& [name, tensor] : net.tensors) file.write(name, tensor.values, tensor.dims);
    for (const char* name : {"eps", "beta_a", "beta_w", "gamma_a"}) file.attribute("/", name, 0.6);
    file.commit(scratch_ / "net.h5");
    ASSERT_EQ(spectrum("lipschitz", "net.h5", {"--param", "eps=0.05", "--param", "beta=0.9"}).status, 0);
    net.scalars = {{"eps", 0.05}, {"beta", 0.9}, {"gamma_a", 0.6}, {"gamma_w", 0.001}};
    expect_reference(net, inputs);
    EXPECT_EQ(result().number("/", "eps"), 0.05);
    EXPECT_EQ(result().number("/", "beta_a"), 0.9);
}

TEST_F(GivenSpectrum, GatedFormByTensorOrByOption) {
    const Reals inputs = write_inputs();
    const GivenNet net = given_net("asrnn-gated", 8, features);
    write_h5(net, scratch_ / "net.h5");
    for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--gated"}}) {
        ASSERT_EQ(spectrum("asrnn", "net.h5", more).status, 0);
        expect_reference(net, inputs);
        EXPECT_EQ(result().text("/", "cell"), "asrnn-gated");
        EXPECT_EQ(result().number("/", "gated"), 1);
    }
    EXPECT_EQ(spectrum("rnn", "net.h5", {"--gated"}).status, 64);
}

TEST_F(GivenSpectrum, ALayerOfSeveralIsTakenOnlyWhenAsked) {
    const Reals inputs = write_inputs();
    const GivenNet first = given_net("gru", 8, features), second = given_net("gru", 8, 8, 0.7);
    io::H5Writer file;
    for (const auto& [name, tensor] : first.tensors) file.write("gru." + name, tensor.values, tensor.dims);
    for (const auto& [name, tensor] : second.tensors) file.write("gru." + name.substr(0, name.size() - 1) + "1", tensor.values, tensor.dims);
    file.commit(scratch_ / "net.h5");
    const Outcome refused = spectrum("gru", "net.h5");
    EXPECT_EQ(refused.status, 65);
    EXPECT_TRUE(contains(refused.err, "--layer")) << refused.err;
    ASSERT_EQ(spectrum("gru", "net.h5", {"--layer", "0"}).status, 0);
    expect_reference(first, inputs);
    EXPECT_EQ(result().number("/", "layer"), 0);
    EXPECT_EQ(spectrum("gru", "net.h5", {"--layer", "1"}).status, 65);  // its inputs have 8 features
    EXPECT_EQ(spectrum("gru", "net.h5", {"--layer", "2"}).status, 65);
}

TEST_F(GivenSpectrum, TheFileIsLabelledAndHoldsEveryOption) {
    write_inputs();
    write_h5(given_net("lstm", 6, features), scratch_ / "net.h5");
    const Outcome outcome = spectrum("lstm", "net.h5", {"--exponents", "4", "--log", "2"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const io::H5Reader file = result();
    EXPECT_EQ(file.dims("exponents"), (io::Dims{sequences, 4}));
    EXPECT_EQ(file.dims("reliable"), (io::Dims{sequences, 4}));
    EXPECT_EQ(file.dims("sequence"), (io::Dims{sequences}));
    EXPECT_EQ(file.dims("exponent_index"), (io::Dims{4}));
    EXPECT_EQ(file.text("exponents", "units"), "bits per step");
    EXPECT_TRUE(std::isnan(file.number("/", "logdet_defect")));
    const auto exponents = file.read<double>("exponents"), mean = file.read<double>("spectrum", {4}), deviation = file.read<double>("spectrum_std", {4});
    for (std::size_t k = 0; k < 4; ++k) {
        const double average = (exponents[k] + exponents[4 + k] + exponents[8 + k]) / 3;
        EXPECT_NEAR(mean[k], average, 1e-14);
        EXPECT_NEAR(deviation[k], std::sqrt((std::pow(exponents[k] - average, 2) + std::pow(exponents[4 + k] - average, 2) + std::pow(exponents[8 + k] - average, 2)) / 3), 1e-12);
    }
    for (const char* name : {"cell", "weights", "inputs", "initial_state", "state", "interval", "precision", "log", "qr", "version", "device"}) {
        EXPECT_FALSE(file.text("/", name).empty()) << name;
    }
    for (const char* name : {"layer", "gated", "warmup", "extended_up_to", "exponents", "seconds", "hidden", "threads", "ranks"}) EXPECT_GE(file.number("/", name), 0) << name;
}

TEST_F(GivenSpectrum, RanksAndThreadsGiveTheSameBits) {
    write_inputs();
    write_h5(given_net("lstm", 12, features), scratch_ / "net.h5");
    ASSERT_EQ(spectrum("lstm", "net.h5", {"--threads", "1"}).status, 0);
    const auto alone = result().raw_bytes("exponents");
    ASSERT_EQ(spectrum("lstm", "net.h5", {"--threads", "3"}).status, 0);
    EXPECT_EQ(result().raw_bytes("exponents"), alone);
    Process ranks(mpirun(2, words("lstm", "net.h5", {"--threads", "1"})), scratch_);
    const Outcome outcome = ranks.wait();
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(result().raw_bytes("exponents"), alone);
    EXPECT_EQ(result().number("/", "ranks"), 2);
}

TEST_F(GivenSpectrum, InputsOfAnyRealType) {
    write_h5(given_net("rnn", 6, 2), scratch_ / "net.h5");
    const auto exponents = [&](const auto& values) {
        io::H5Writer file;
        file.write("mine", values, {1, 4, 2});
        file.commit(scratch_ / "x.h5");
        const Outcome outcome = aelle({"spectrum", "--cell", "rnn", "--weights", scratch_ / "net.h5", "--inputs", (scratch_ / "x.h5").string() + ":mine", "-o", scratch_ / "s.h5"});
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        return result().read<double>("exponents");
    };
    const Reals expected = exponents(Reals{1, 0, 0, 1, 0, 1, 1, 0});
    EXPECT_EQ(exponents(std::vector<uint8_t>{1, 0, 0, 1, 0, 1, 1, 0}), expected);
    EXPECT_EQ(exponents(std::vector<int64_t>{1, 0, 0, 1, 0, 1, 1, 0}), expected);
    EXPECT_EQ(exponents(std::vector<float>{1, 0, 0, 1, 0, 1, 1, 0}), expected);
}

TEST_F(GivenSpectrum, BadInputsAreNamed) {
    write_h5(given_net("rnn", 6, features), scratch_ / "net.h5");
    const auto refuse = [&](const Reals& values, const io::Dims& dims, const std::string& words, const std::vector<std::string>& more = {}) {
        io::H5Writer file;
        file.write("inputs", values, dims);
        file.commit(scratch_ / "x.h5");
        const Outcome outcome = spectrum("rnn", "net.h5", more);
        EXPECT_EQ(outcome.status, 65);
        EXPECT_TRUE(contains(outcome.err, words)) << outcome.err;
    };
    refuse(Reals(8), {1, 4, 2}, "inputs: found 2 features, expected 3");
    refuse(Reals(12), {4, 3}, "inputs: found 2 dimensions, expected 3");
    refuse({}, {0, 4, 3}, "found shape (0, 4, 3)");
    Reals spoiled(24);
    spoiled[19] = std::nan("");
    refuse(spoiled, {2, 4, 3}, "inputs: found nan at index (1, 2, 1), expected finite numbers");
    refuse(Reals(24), {2, 4, 3}, "initial_state", {"--initial-state", scratch_ / "x.h5"});
    refuse(Reals(24), {2, 4, 3}, "expected (2, 6)", {"--initial-state", (scratch_ / "x.h5").string() + ":inputs"});
}

}  // namespace
}  // namespace aelle::test
