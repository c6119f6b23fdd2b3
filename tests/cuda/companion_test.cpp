// The libraries beside libaelle_cuda.so, opened as the program opens them: those that run on the host.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "aelle/cells/list.hpp"
#include "aelle/learn/model.hpp"
#include "kernels/cuda/companion.hpp"
#include "kernels/cuda/training_group.hpp"

namespace aelle::cuda {
namespace {

class CudaCompanions : public ::testing::Test {
protected:
    void SetUp() override {
        setenv("AELLE_CUDA_LIBRARY", AELLE_EMULATED_LIBRARY, 1);
        opened_ = open_library();
        unsetenv("AELLE_CUDA_LIBRARY");
        const auto folder = std::filesystem::path(AELLE_EMULATED_LIBRARY).parent_path();
        if (!std::filesystem::exists(folder / "libaelle_cuda_lib_emulated.so") ||
            !std::filesystem::exists(folder / "libaelle_cuda_bench_emulated.so"))
            GTEST_SKIP() << "not built: aelle_cuda_lib_emulated, aelle_cuda_bench_emulated";
        ASSERT_TRUE(opened_.ok) << opened_.note;
    }
    Opened opened_;
};

TEST_F(CudaCompanions, AreFoundBesideTheLibrary) {
    const auto library = open_library_path(opened_);
    const auto bench = open_bench(opened_);
    EXPECT_TRUE(library.ok) << library.note;
    EXPECT_TRUE(bench.ok) << bench.note;
}

TEST_F(CudaCompanions, SayWhatIsMissing) {
    Opened elsewhere = opened_;
    elsewhere.file = "/nowhere/libaelle_cuda.so";
    EXPECT_FALSE(open_bench(elsewhere).ok);
    EXPECT_NE(open_bench(elsewhere).note.find("/nowhere/libaelle_cuda_bench.so"), std::string::npos);
    EXPECT_NE(open_library_path(elsewhere).note.find("/nowhere/libaelle_cuda_lib.so"), std::string::npos);
    const Opened none{.note = "nothing"};
    EXPECT_EQ(open_library_path(none).note, "nothing");
}

TEST_F(CudaCompanions, FactorMatricesOfKnownSizes) {
    const auto bench = open_bench(opened_);
    ASSERT_TRUE(bench.ok) << bench.note;
    std::vector<double> z{3, 4, 0, 5}, log_r(2);
    EXPECT_EQ(bench.table.qr(0, BenchQrForm::shared_memory, 2, 1, z.data(), log_r.data()), 0);
    EXPECT_NEAR(log_r[0], std::log(5.0), 1e-14);
    EXPECT_NEAR(log_r[1], std::log(3.0), 1e-14);  // |det| = 15
    EXPECT_EQ(bench.table.qr(0, BenchQrForm::registers_128, 2, 1, z.data(), log_r.data()), unknown_form);
    EXPECT_EQ(bench.table.qr(0, BenchQrForm::registers_512, 64, 1, z.data(), log_r.data()), unknown_form);
    const BenchTangents of_other_threads{.threads = 512, .n = 64};
    EXPECT_EQ(bench.table.tangents(0, &of_other_threads), unknown_form);
    EXPECT_STRNE(bench.table.message(unknown_form), bench.table.message(out_of_memory));
}

/// Packed parameters after three updates of two networks.
std::vector<float> trained(const Library& library) {
    backend::SequenceTable table{
        .count = 7, .steps = 4, .features = 3, .classes = 2, .target_steps = 1, .values = {}, .symbols = {}, .targets = {}};
    for (int i = 0; i < 7 * 4 * 3; ++i) table.values.push_back(0.1f * static_cast<float>(i * 7 % 19 - 9));
    for (int i = 0; i < 7; ++i) table.targets.push_back(i % 2);
    const learn::Model model = learn::initial_model(cells::find_cell("gru"), {.hidden = 5, .input = 3}, 2, {}, {}, 1, 0);
    const cells::ParameterLayout layout(*model.cell, model.shape, model.parameters);
    DeviceFacts facts;
    EXPECT_EQ(library.table().facts(library.device(), &facts), 0);
    Group group(library, facts, plan_for(cells::AllCells{}, *model.cell, layout, model.parameters),
                {.adam = false, .learning_rate = 0.1, .batch = 3, .classes = 2}, table, 2);
    std::vector<float> packed = layout.pack<float>(model.parameters);
    for (const auto* values : {&model.fc_weight, &model.fc_bias})
        for (const double x : *values) packed.push_back(static_cast<float>(x));
    for (int64_t n = 0; n < 2; ++n) group.set(n, {.parameters = packed, .mean = {}, .square = {}});
    const Sequences sequences(library, table);
    const std::vector<int64_t> order{6, 0, 3, 2, 5, 1, 4}, other{1, 2, 3, 4, 5, 6, 0};
    const std::vector<backend::TrainingGroup::Work> work{{.network = 0, .order = order}, {.network = 1, .order = other}};
    for (const auto& outcome : group.train(sequences, work)) {
        EXPECT_TRUE(outcome.finite);
        EXPECT_EQ(outcome.losses.size(), 3u);
    }
    std::vector<float> all = group.get(0).parameters;
    const std::vector<float> second = group.get(1).parameters;
    EXPECT_NE(all, packed);
    EXPECT_NE(all, second);
    all.insert(all.end(), second.begin(), second.end());
    return all;
}

TEST_F(CudaCompanions, GroupsTrainWithTheOtherLibrarysProducts) {
    const auto found = open_library_path(opened_);
    ASSERT_TRUE(found.ok) << found.note;
    const std::vector<float> ours = trained(Library(opened_.table, 0));
    const std::vector<float> theirs = trained(Library(with_library_training(opened_.table, found.table), 0));
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(theirs[i], ours[i], 1e-6) << i;  // some roundings of numbers below 1
    EXPECT_EQ(found.table.close(0), 0);
}

}  // namespace
}  // namespace aelle::cuda
