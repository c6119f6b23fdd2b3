// A build whose list of cells has one line more than ours: every part of the program knows the cell of that line.

#include "tests/run/program.hpp"

#include <cmath>

#include "aelle/cells/spec.hpp"
#include "tests/fixtures/data_files.hpp"

namespace aelle::test {
namespace {

class ToyCell : public ProgramTest {
protected:
    void write_inputs(int64_t sequences, int64_t steps, int64_t features) const {
        std::vector<double> values(static_cast<std::size_t>(sequences * steps * features));
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<double>(7 * i));
        io::H5Writer file;
        file.write("inputs", values, {sequences, steps, features});
        file.commit(scratch_ / "inputs.h5");
    }
    std::string at(const char* name) const { return (scratch_ / name).string(); }
};

TEST_F(ToyCell, IsListedAmongTheOthers) {
    EXPECT_EQ(cells::find_cell("two_stage").source, "tests");
    const Outcome info = aelle({"info"});
    EXPECT_EQ(info.status, 0);
    for (const cells::CellSpec& cell : cells::all_cells()) EXPECT_NE(info.out.find(cell.name), std::string::npos) << cell.name;
    const Outcome ours = Process({AELLE_UNCHANGED_PROGRAM, "spectrum", "--cell", "two_stage", "--weights", "x", "--inputs", "x", "-o", "x"}, scratch_).wait();
    EXPECT_EQ(ours.status, 64) << "the program without the line knows the cell";
}

TEST_F(ToyCell, IsTrainedAndHasSpectra) {
    write_words(scratch_, 20000);
    const Outcome trained = aelle({"train", "--cell", "two_stage", "--task", "charrnn", "--data", scratch_.string(), "--hidden", "10", "--epochs", "2",
                                   "--dropout", "0", "--param", "dt=0.4", "-o", at("weights.h5"), "--quiet"});
    ASSERT_EQ(trained.status, 0) << trained.err;
    const io::H5Reader weights(at("weights.h5"));
    const auto loss = weights.read<double>("loss");
    ASSERT_EQ(loss.size(), 2u);
    EXPECT_LT(loss[1], loss[0]);
    EXPECT_EQ(weights.dims("gates"), (std::vector<int64_t>{20, 10}));

    write_inputs(2, 30, weights.dims("w").at(1));
    for (const auto& [state, dimension] : {std::pair<std::string, int64_t>{"full", 20}, {"hidden", 10}}) {
        const Outcome spectrum = aelle({"spectrum", "--cell", "two_stage", "--weights", at("weights.h5"), "--inputs", at("inputs.h5"), "--state", state,
                                        "-o", at("spectrum.h5"), "--quiet"});
        ASSERT_EQ(spectrum.status, 0) << spectrum.err;
        const io::H5Reader found(at("spectrum.h5"));
        const auto exponents = found.read<double>("spectrum");
        ASSERT_EQ(static_cast<int64_t>(exponents.size()), dimension);
        EXPECT_TRUE(std::is_sorted(exponents.rbegin(), exponents.rend()));
        EXPECT_TRUE(std::all_of(exponents.begin(), exponents.end(), [](double x) { return std::isfinite(x); }));
        EXPECT_LT(found.number("/", "logdet_defect"), 1e-8);
    }
}

}  // namespace
}  // namespace aelle::test
