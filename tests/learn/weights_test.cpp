#include "aelle/learn/weights.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "aelle/base/error.hpp"
#include "aelle/io/file.hpp"
#include "io/safetensors_text.hpp"
#include "io/scratch.hpp"

namespace aelle::learn {
namespace {

using cells::find_cell;
using test::contains;
using test::message_of;
using test::SafetensorsWriter;

std::vector<double> counting(int64_t size, double first) {
    std::vector<double> values(static_cast<std::size_t>(size));
    std::iota(values.begin(), values.end(), first);
    return values;
}

/// Tensors by name with shapes; values count from a number of the tensor's own.
using Tensors = std::vector<std::pair<std::string, io::Dims>>;

int64_t size_of(const io::Dims& dims) {
    return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
}

Tensors gates(int64_t blocks, int64_t hidden, int64_t input, const std::string& prefix = "", const std::string& layer = "0") {
    return {{prefix + "weight_ih_l" + layer, {blocks * hidden, input}}, {prefix + "weight_hh_l" + layer, {blocks * hidden, hidden}},
            {prefix + "bias_ih_l" + layer, {blocks * hidden}},          {prefix + "bias_hh_l" + layer, {blocks * hidden}}};
}

Tensors operator+(Tensors one, const Tensors& two) {
    one.insert(one.end(), two.begin(), two.end());
    return one;
}

class Weights : public test::Scratch {
protected:
    std::filesystem::path h5() const { return folder_ / "net.h5"; }
    std::filesystem::path safe() const { return folder_ / "net.safetensors"; }

    /// The same tensors in a file of each kind.
    void put(const Tensors& tensors, const std::map<std::string, double>& scalars = {}) const {
        io::H5Writer file;
        SafetensorsWriter writer;
        double first = 0;
        for (const auto& [name, dims] : tensors) {
            const std::vector<double> values = counting(size_of(dims), first += 1000);
            file.write(name, values, dims);
            writer.add(name, "F64", dims, values);
        }
        std::string metadata = "{\"format\":\"pt\"";
        for (const auto& [name, value] : scalars) {
            file.attribute("/", name, value);
            metadata += ",\"" + name + "\":\"" + std::to_string(value) + "\"";
        }
        file.commit(h5());
        io::write_atomically(safe(), writer.metadata(metadata + "}").text());
    }
    void both(const std::function<void(const std::filesystem::path&)>& check) const {
        for (const auto& file : {h5(), safe()}) {
            SCOPED_TRACE(file.string());
            check(file);
        }
    }
    /// The message with which both files are refused, without their names.
    std::string refused(const char* cell, const WeightsOptions& options = {}) const {
        std::string first, second;
        first = message_of<DataError>([&] { read_weights(h5(), find_cell(cell), options); });
        second = message_of<DataError>([&] { read_weights(safe(), find_cell(cell), options); });
        EXPECT_TRUE(first.starts_with(h5().string() + ": ") && second.starts_with(safe().string() + ": ")) << first << second;
        first.erase(0, h5().string().size() + 2);
        EXPECT_EQ(first, second.substr(safe().string().size() + 2));
        return first;
    }
};

TEST_F(Weights, BothKindsOfFilesGiveTheSame) {
    put(gates(4, 3, 2) + Tensors{{"fc.weight", {5, 3}}, {"fc.bias", {5}}, {"loss", {10}}});
    both([](const auto& file) {
        const WeightsFile weights = read_weights(file, find_cell("lstm"), {.extra = {"fc.weight", "fc.bias", "x"}});
        EXPECT_EQ(weights.cell, &find_cell("lstm"));
        EXPECT_EQ(weights.shape.hidden, 3);
        EXPECT_EQ(weights.shape.input, 2);
        EXPECT_EQ(weights.parameters.tensors.at("weight_hh_l0"), counting(36, 2000));
        EXPECT_EQ(weights.parameters.tensors.size(), 4u);
        EXPECT_EQ(weights.extra.at("fc.weight"), counting(15, 5000));
        EXPECT_EQ(weights.extra_dims.at("fc.weight"), (io::Dims{5, 3}));
        EXPECT_EQ(weights.extra.count("x"), 0u);
        cells::Parameters parameters = weights.parameters;
        cells::complete(*weights.cell, weights.shape, parameters);
    });
}

TEST_F(Weights, TheKindIsToldByContent) {
    put(gates(1, 3, 2));
    std::filesystem::rename(safe(), folder_ / "net.bin");
    EXPECT_EQ(read_weights(folder_ / "net.bin", find_cell("rnn")).shape.hidden, 3);
    std::filesystem::rename(h5(), safe());
    EXPECT_EQ(read_weights(safe(), find_cell("rnn")).shape.hidden, 3);
    io::write_atomically(folder_ / "net.pt", std::string("PK\x03\x04 and more"));
    EXPECT_TRUE(contains(message_of<DataError>([&] { read_weights(folder_ / "net.pt", find_cell("rnn")); }), "save_file"));
    io::write_atomically(safe(), "");
    message_of<DataError>([&] { read_weights(safe(), find_cell("rnn")); });
    io::write_atomically(h5(), "weights");
    message_of<DataError>([&] { read_weights(h5(), find_cell("rnn")); });
    message_of<MissingInput>([&] { read_weights(folder_ / "no.h5", find_cell("rnn")); });
    message_of<MissingInput>([&] { read_weights(folder_ / "no.safetensors", find_cell("rnn")); });
    message_of<DataError>([&] { read_weights(folder_, find_cell("rnn")); });
}

TEST_F(Weights, PrefixesAreFoundAndLeftOut) {
    for (const std::string prefix : {"rnn.", "module.lstm.", "a.b.c.d.", "model/rnn/"}) {
        const std::string outer = prefix.substr(0, prefix.find_last_of("./", prefix.size() - 2) + 1);
        put(gates(3, 4, 2, prefix) + Tensors{{outer + "fc.weight", {5, 4}}, {"embedding.weight", {7, 2}}});
        both([](const auto& file) {
            const WeightsFile weights = read_weights(file, find_cell("gru"), {.extra = {"fc.weight"}});
            EXPECT_EQ(weights.parameters.tensors.at("bias_hh_l0"), counting(12, 4000));
            EXPECT_EQ(weights.extra.at("fc.weight"), counting(20, 5000));
        });
        EXPECT_TRUE(contains(refused("lstm"), prefix + "weight_ih_l0: found shape (12, 2), expected (16, 2) for cell lstm")) << refused("lstm");
    }
}

TEST_F(Weights, SeveralModulesAreAnErrorUnlessOneFits) {
    put(gates(4, 3, 2, "encoder.") + gates(4, 3, 2, "decoder."));
    EXPECT_TRUE(contains(refused("lstm"), "found several modules of cell lstm: decoder., encoder.")) << refused("lstm");
    EXPECT_TRUE(contains(refused("gru"), "none of which is of cell gru: decoder.: weight_ih_l0: found shape (12, 2)")) << refused("gru");
    put(gates(4, 3, 2, "encoder.") + gates(3, 5, 2, "decoder."));
    both([](const auto& file) {
        EXPECT_EQ(read_weights(file, find_cell("gru")).shape.hidden, 5);
        EXPECT_EQ(read_weights(file, find_cell("lstm")).shape.hidden, 3);
    });
}

TEST_F(Weights, BiasesMayBeAbsent) {
    put({{"weight_ih_l0", {3, 2}}, {"weight_hh_l0", {3, 3}}});
    both([](const auto& file) { EXPECT_EQ(read_weights(file, find_cell("rnn")).parameters.tensors.size(), 2u); });
    put({{"weight_ih_l0", {3, 2}}, {"weight_hh_l0", {3, 3}}, {"bias_hh_l0", {4}}});
    EXPECT_EQ(refused("rnn"), "bias_hh_l0: found shape (4), expected (3) for cell rnn");
}

TEST_F(Weights, MissingTensorsAndWrongShapesAreNamed) {
    put({{"rnn.weight_ih_l0", {3, 2}}, {"rnn.bias_ih_l0", {3}}});
    EXPECT_EQ(refused("rnn"), "rnn.weight_hh_l0: missing, expected a tensor of cell rnn");
    put({{"weights", {3, 2}}, {"fc.weight", {3, 2}}});
    EXPECT_EQ(refused("rnn"), "weight_ih_l0: missing, expected the tensors of cell rnn, found fc.weight, weights");
    put({});
    EXPECT_TRUE(contains(refused("rnn"), "found no tensors"));
    const std::map<std::string, Tensors> wrong = {
        {"weight_ih_l0: found shape (3), expected (3, I) for cell rnn", {{"weight_ih_l0", {3}}, {"weight_hh_l0", {3, 3}}}},
        {"weight_ih_l0: found shape (4, 2), expected (3, 2) for cell rnn", {{"weight_ih_l0", {4, 2}}, {"weight_hh_l0", {3, 3}}}},
        {"weight_ih_l0: found shape (3, 0), expected (3, I) for cell rnn", {{"weight_ih_l0", {3, 0}}, {"weight_hh_l0", {3, 3}}}},
        {"weight_ih_l0: found shape (0, 2), expected (H, 2) for cell rnn", {{"weight_ih_l0", {0, 2}}, {"weight_hh_l0", {0, 0}}}},
        {"weight_ih_l0: found shape (), expected (3, I) for cell rnn", {{"weight_ih_l0", {}}, {"weight_hh_l0", {3, 3}}}},
        {"weight_hh_l0: found shape (3, 3, 1), expected (3, 3) for cell rnn", {{"weight_ih_l0", {3, 2}}, {"weight_hh_l0", {3, 3, 1}}}},
        {"bias_ih_l0: found shape (3, 1), expected (3) for cell rnn", {{"weight_ih_l0", {3, 2}}, {"weight_hh_l0", {3, 3}}, {"bias_ih_l0", {3, 1}}}},
    };
    for (const auto& [message, tensors] : wrong) {
        put(tensors);
        EXPECT_EQ(refused("rnn"), message);
    }
}

TEST_F(Weights, ValuesThatAreNotFiniteAreNamed) {
    for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
        io::H5Writer file;
        file.write("rnn.weight_ih_l0", counting(6, 0), {3, 2});
        std::vector<double> recurrent = counting(9, 0);
        recurrent[4] = bad;
        file.write("rnn.weight_hh_l0", recurrent, {3, 3});
        file.commit(h5());
        const std::string message = message_of<DataError>([&] { read_weights(h5(), find_cell("rnn")); });
        EXPECT_TRUE(contains(message, "net.h5: rnn.weight_hh_l0: found ") && contains(message, "at element 4 of shape (3, 3), expected finite numbers")) << message;
    }
}

TEST_F(Weights, AnotherCellThatFitsIsNamed) {
    put(gates(4, 64, 28, "lstm."));
    EXPECT_EQ(refused("gru"), "lstm.weight_ih_l0: found shape (256, 28), expected (192, 28) for cell gru; the tensors are those of cell lstm");
    put(gates(1, 4, 2));
    EXPECT_TRUE(contains(refused("cornn"), "does not have")) << refused("cornn");
    EXPECT_TRUE(contains(refused("asrnn"), "bias_hh_l0: found a tensor that cell asrnn does not have, expected only weight_ih_l0, weight_hh_l0, bias_ih_l0")) << refused("asrnn");
    EXPECT_TRUE(contains(refused("asrnn"), "those of cell rnn")) << refused("asrnn");
}

TEST_F(Weights, UnknownRecurrentTensorsAreAnErrorInForeignFiles) {
    put(gates(4, 3, 2) + Tensors{{"weight_hr_l0", {2, 3}}});
    EXPECT_TRUE(contains(refused("lstm"), "weight_hr_l0: found a tensor that cell lstm does not have") && contains(refused("lstm"), "projection")) << refused("lstm");
    put(gates(4, 3, 2, "r.") + gates(4, 3, 2, "r.", "0_reverse"));
    EXPECT_TRUE(contains(refused("lstm"), "r.bias_hh_l0_reverse: found a tensor") && contains(refused("lstm"), "two directions")) << refused("lstm");
    for (const char* name : {"step_l0", "weight_iz_l0", "bias_l0", "weight_l0"}) {
        put(gates(1, 3, 2) + Tensors{{name, {3}}});
        EXPECT_TRUE(contains(refused("rnn"), std::string(name) + ": found a tensor")) << refused("rnn");
    }
    put(gates(1, 3, 2, "rnn.") + Tensors{{"weight_hr_l0", {2}}, {"rnn.loss", {2}}, {"rnn.weight_list", {2}}, {"rnn.log_l0", {1}}});
    both([](const auto& file) { EXPECT_EQ(read_weights(file, find_cell("rnn")).parameters.tensors.size(), 4u); });
}

TEST_F(Weights, OurOwnFilesMayHoldMore) {
    const auto write = [&](const std::string& cell) {
        io::H5Writer file;
        for (const auto& [name, dims] : gates(1, 3, 2) + Tensors{{"weight_hx_l0", {2}}}) file.write(name, counting(size_of(dims), 0), dims);
        file.attribute("/", "cell", cell);
        file.attribute("/", "version", std::string("0.1.0"));
        file.commit(h5());
    };
    write("rnn");
    EXPECT_EQ(read_weights(h5(), find_cell("rnn")).shape.hidden, 3);
    write("lstm");
    message_of<DataError>([&] { read_weights(h5(), find_cell("rnn")); });
}

TEST_F(Weights, LayersAreTakenOnlyWhenAskedFor) {
    put(gates(4, 3, 2, "lstm.") + gates(4, 3, 3, "lstm.", "1") + gates(4, 3, 3, "lstm.", "10"));
    EXPECT_EQ(refused("lstm"), "found layers 0, 1, 10, expected layer 0 alone; choose one with --layer");
    EXPECT_EQ(refused("lstm", {.layer = 2}), "found layers 0, 1, 10, expected layer 2");
    both([](const auto& file) {
        const WeightsFile bottom = read_weights(file, find_cell("lstm"), {.layer = 0}), top = read_weights(file, find_cell("lstm"), {.layer = 10});
        EXPECT_EQ(bottom.shape.input, 2);
        EXPECT_EQ(bottom.parameters.tensors.at("weight_ih_l0"), counting(24, 1000));
        EXPECT_EQ(top.shape.input, 3);
        EXPECT_EQ(top.parameters.tensors.at("weight_ih_l0"), counting(36, 9000));
        message_of<UsageError>([&] { read_weights(file, find_cell("lstm"), {.layer = -1}); });
    });
    EXPECT_TRUE(contains(refused("gru", {.layer = 1}), "lstm.weight_ih_l1: found shape (12, 3), expected (9, 3) for cell gru; the tensors are those of cell lstm"))
        << refused("gru", {.layer = 1});
    put(gates(1, 3, 2, "", "1"));
    EXPECT_EQ(refused("rnn"), "found layer 1, expected layer 0 alone; choose one with --layer");
    both([](const auto& file) { EXPECT_EQ(read_weights(file, find_cell("rnn"), {.layer = 1}).shape.hidden, 3); });
    put({{"weight_ih_l0", {3, 2}}, {"weight_hh_l0", {3, 3}}, {"weight_ih_l1", {3, 3}}});
    EXPECT_EQ(refused("rnn", {.layer = 1}), "weight_hh_l1: missing, expected a tensor of cell rnn");
}

TEST_F(Weights, TheGatedFormIsTakenByItsTensorsOrWhenAsked) {
    const Tensors plain = {{"weight_ih_l0", {3, 2}}, {"weight_hh_l0", {3, 3}}};
    put(plain + Tensors{{"weight_iz_l0", {3, 2}}, {"bias_iz_l0", {3}}});
    both([](const auto& file) {
        EXPECT_EQ(read_weights(file, find_cell("asrnn")).cell->name, "asrnn-gated");
        EXPECT_EQ(read_weights(file, find_cell("asrnn-gated"), {.gated = true}).parameters.tensors.size(), 4u);
    });
    put(plain);
    both([](const auto& file) {
        EXPECT_EQ(read_weights(file, find_cell("asrnn")).cell->name, "asrnn");
        EXPECT_EQ(read_weights(file, find_cell("asrnn"), {.partial = true, .gated = true}).cell->name, "asrnn-gated");
        message_of<UsageError>([&] { read_weights(file, find_cell("rnn"), {.gated = true}); });
    });
    EXPECT_EQ(refused("asrnn", {.gated = true}), "weight_iz_l0: missing, expected a tensor of cell asrnn-gated; the tensors are those of cell rnn or asrnn");
}

TEST_F(Weights, ScalarsComeFromAttributesMetadataOrTensors) {
    const Tensors tensors = {{"weight_ih_l0", {3, 2}}, {"weight_hh_l0", {3, 3}}};
    put(tensors, {{"eps", 0.125}, {"other", 3.0}});
    both([](const auto& file) {
        const auto scalars = read_weights(file, find_cell("asrnn")).parameters.scalars;
        EXPECT_EQ(scalars, (decltype(scalars){{"eps", 0.125}}));
    });
    put(tensors + Tensors{{"eps", {}}, {"gamma", {1, 1}}});
    both([](const auto& file) {
        const auto scalars = read_weights(file, find_cell("asrnn")).parameters.scalars;
        EXPECT_EQ(scalars, (decltype(scalars){{"eps", 3000}, {"gamma", 4000}}));
    });
    put(tensors + Tensors{{"eps", {3}}});
    EXPECT_EQ(refused("asrnn"), "eps: found shape (3), expected one number");
    io::write_atomically(safe(), SafetensorsWriter()
                                     .add<float>("weight_ih_l0", "F32", {1, 1}, {1})
                                     .add<float>("weight_hh_l0", "F32", {1, 1}, {1})
                                     .metadata(R"({"eps":"0.1 s"})")
                                     .text());
    EXPECT_TRUE(contains(message_of<DataError>([&] { read_weights(safe(), find_cell("asrnn")); }), "eps: found '0.1 s', expected a number"));
}

TEST_F(Weights, PartialFilesAreReadAsFarAsTheyGo) {
    put({{"fc.bias", {4}}});
    both([](const auto& file) {
        const WeightsFile weights = read_weights(file, find_cell("rnn"), {.extra = {"fc.bias"}, .partial = true});
        EXPECT_EQ(weights.shape.hidden, 0);
        EXPECT_EQ(weights.extra.at("fc.bias").size(), 4u);
    });
    put({{"weight_hh_l0", {3, 3}}, {"x", {3}}, {"z", {}}});
    both([](const auto& file) {
        const WeightsFile weights = read_weights(file, find_cell("rank1"), {.extra = {"x", "z"}, .partial = true});
        EXPECT_EQ(weights.shape.hidden, 3);
        EXPECT_EQ(weights.extra_dims.at("z"), io::Dims{});
    });
}

TEST_F(Weights, WhatIsWrittenIsReadBack) {
    for (const cells::CellSpec& cell : cells::all_cells()) {
        const cells::Shape shape{5, cell.name == "rank1" ? 0 : 3};
        cells::Parameters parameters;
        for (const auto& tensor : cell.tensors) parameters.tensors[std::string(tensor.name)] = counting(cells::element_count(tensor, shape), 0.5);
        cells::complete(cell, shape, parameters);
        io::H5Writer file;
        write_weights(file, cell, shape, parameters);
        file.commit(h5());
        const WeightsFile back = read_weights(h5(), cell);
        EXPECT_EQ(back.shape.hidden, 5);
        EXPECT_EQ(back.shape.input, shape.input);
        EXPECT_EQ(back.parameters.tensors, parameters.tensors);
        EXPECT_EQ(back.parameters.scalars, parameters.scalars);
    }
}

// Valid files with one thing wrong: whatever it is, the error is one about data, and names file and dataset.
TEST_F(Weights, EveryMutationOfADatasetIsADataErrorThatNamesIt) {
    for (const char* cell_name : {"lstm", "gru", "cornn", "noisy", "lem"}) {
        const cells::CellSpec& cell = find_cell(cell_name);
        const cells::Shape shape{4, 3};
        for (const auto& victim : cell.tensors) {
            const std::string name(victim.name);
            using Mutation = std::function<void(io::H5Writer&, io::Dims, std::vector<double>)>;
            const std::vector<std::pair<std::string, Mutation>> mutations = {
                {"missing", [](io::H5Writer&, const io::Dims&, const std::vector<double>&) {}},
                {"text", [&](io::H5Writer& file, const io::Dims& dims, const std::vector<double>& values) {
                     file.write_strings(name, std::vector<std::string>(values.size(), "1.0"), dims);
                 }},
                {"a group", [&](io::H5Writer& file, const io::Dims& dims, const std::vector<double>& values) { file.write(name + "/inside", values, dims); }},
                {"a rank more", [&](io::H5Writer& file, io::Dims dims, const std::vector<double>& values) {
                     dims.push_back(1);
                     file.write(name, values, dims);
                 }},
                {"a number", [&](io::H5Writer& file, const io::Dims&, const std::vector<double>&) { file.write(name, std::vector<double>{1}, {}); }},
                {"a row more", [&](io::H5Writer& file, io::Dims dims, std::vector<double> values) {
                     values.resize(values.size() + values.size() / static_cast<std::size_t>(dims[0]));
                     ++dims[0];
                     file.write(name, values, dims);
                 }},
                {"empty", [&](io::H5Writer& file, io::Dims dims, const std::vector<double>&) {
                     dims[0] = 0;
                     file.write(name, std::vector<double>{}, dims);
                 }},
            };
            for (const auto& [what, mutate] : mutations) {
                if (victim.optional && (what == "missing" || what == "a group")) continue;  // both are an absent tensor
                SCOPED_TRACE(std::string(cell_name) + " " + name + ": " + what);
                io::H5Writer file;
                for (const auto& tensor : cell.tensors) {
                    io::Dims dims;
                    for (const auto extent : tensor.extents) {
                        dims.push_back(extent == cells::Extent::input ? shape.input : shape.hidden * (1 + static_cast<int64_t>(extent)));
                    }
                    const auto values = counting(size_of(dims), 0);
                    if (tensor.name == victim.name) mutate(file, dims, values);
                    else file.write(std::string(tensor.name), values, dims);
                }
                file.commit(h5());
                const std::string message = message_of<DataError>([&] { read_weights(h5(), cell); });
                EXPECT_TRUE(contains(message, h5().string()) && contains(message, name)) << message;
            }
        }
    }
}

}  // namespace
}  // namespace aelle::learn
