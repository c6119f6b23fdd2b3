#include "aelle/cells/spec.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "aelle/base/error.hpp"
#include "aelle/cells/list.hpp"

namespace aelle::cells {
namespace {

Parameters rank1_parameters(int64_t n) {
    Parameters parameters;
    parameters.tensors["weight_hh_l0"].resize(static_cast<std::size_t>(n * n));
    parameters.tensors["weight_fb"].resize(static_cast<std::size_t>(n));
    parameters.tensors["weight_out"].resize(static_cast<std::size_t>(n));
    return parameters;
}

std::string message_of(const CellSpec& cell, const Shape& shape, Parameters parameters) {
    try {
        complete(cell, shape, parameters);
    } catch (const DataError& error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(CellSpecs, AreFoundByName) {
    EXPECT_EQ(find_cell("rank1").name, "rank1");
    EXPECT_EQ(all_cells().front().name, find_cell(all_cells().front().name).name);
}

TEST(CellSpecs, UnknownNameSuggestsTheNearest) {
    try {
        find_cell("rank2");
        FAIL();
    } catch (const DataError& error) {
        EXPECT_TRUE(contains(error.what(), "rank2"));
        EXPECT_TRUE(contains(error.what(), "did you mean 'rank1'"));
    }
}

TEST(CellSpecs, EveryCellIsConsistent) {
    for (const CellSpec& cell : all_cells()) {
        SCOPED_TRACE(cell.name);
        EXPECT_LT(cell.readout_block, cell.blocks);
        for (const StageSpec& stage : cell.stages) {
            for (const LinearTerm& term : stage.terms) {
                EXPECT_LT(term.slot, stage.slots);
                EXPECT_LT(term.block, cell.blocks);
                for (const std::string_view name : {term.tensor, term.tensor2}) {
                    if (name.empty()) continue;
                    bool known = false;
                    for (const TensorSpec& tensor : cell.tensors) known = known || tensor.name == name;
                    EXPECT_TRUE(known) << name;
                }
            }
        }
        for (const ScalarSpec& scalar : cell.scalars) {
            EXPECT_LE(scalar.low, scalar.fallback);
            EXPECT_GE(scalar.high, scalar.fallback);
        }
    }
}

TEST(CellSpecs, ElementCountMultipliesExtents) {
    const Shape shape{.hidden = 5, .input = 3};
    EXPECT_EQ(element_count({"a", {Extent::hidden4, Extent::input}}, shape), 60);
    EXPECT_EQ(element_count({"b", {Extent::hidden}}, shape), 5);
    EXPECT_EQ(element_count({"c", {Extent::hidden2, Extent::hidden3}}, shape), 150);
}

TEST(CompleteParameters, FillsFallbacksAndKeepsGivenScalars) {
    Parameters parameters = rank1_parameters(4);
    complete(find_cell("rank1"), {.hidden = 4}, parameters);
    EXPECT_EQ(parameters.scalars.at("dt"), 0.1);
    parameters.scalars["dt"] = 0.25;
    complete(find_cell("rank1"), {.hidden = 4}, parameters);
    EXPECT_EQ(parameters.scalars.at("dt"), 0.25);
}

TEST(CompleteParameters, AcceptsInfiniteTensors) {
    Parameters parameters = rank1_parameters(4);
    parameters.tensors["weight_out"][1] = std::numeric_limits<double>::infinity();
    EXPECT_NO_THROW(complete(find_cell("rank1"), {.hidden = 4}, parameters));
}

TEST(CompleteParameters, NamesWhatIsWrong) {
    const CellSpec& cell = find_cell("rank1");
    const Shape shape{.hidden = 4};
    Parameters parameters = rank1_parameters(4);
    parameters.tensors["weight_fb"].resize(3);
    const std::string size = message_of(cell, shape, parameters);
    EXPECT_TRUE(contains(size, "weight_fb") && contains(size, "3") && contains(size, "4")) << size;

    parameters = rank1_parameters(4);
    parameters.tensors.erase(parameters.tensors.find("weight_hh_l0"));
    EXPECT_TRUE(contains(message_of(cell, shape, parameters), "weight_hh_l0"));

    parameters = rank1_parameters(4);
    parameters.tensors["weight_hh_0"] = {1.0};
    EXPECT_TRUE(contains(message_of(cell, shape, parameters), "did you mean 'weight_hh_l0'"));

    for (const double bad : {-1.0, 2.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        parameters = rank1_parameters(4);
        parameters.scalars["dt"] = bad;
        EXPECT_TRUE(contains(message_of(cell, shape, parameters), "dt")) << bad;
    }
    parameters = rank1_parameters(4);
    parameters = rank1_parameters(4);
    parameters.scalars["td"] = 0.1;
    EXPECT_TRUE(contains(message_of(cell, shape, parameters), "td"));
    EXPECT_TRUE(contains(message_of(cell, {.hidden = 0}, rank1_parameters(0)), "hidden"));
}

}  // namespace
}  // namespace aelle::cells
