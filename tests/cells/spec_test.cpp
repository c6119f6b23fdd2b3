#include "aelle/cells/spec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <type_traits>

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

const TensorSpec* find_tensor(const CellSpec& cell, std::string_view name) {
    const auto found = std::find_if(cell.tensors.begin(), cell.tensors.end(), [&](const TensorSpec& t) { return t.name == name; });
    return found == cell.tensors.end() ? nullptr : &*found;
}

bool has_tensor(const CellSpec& cell, std::string_view name) { return find_tensor(cell, name) != nullptr; }

bool has_scalar(const CellSpec& cell, std::string_view name) {
    return std::any_of(cell.scalars.begin(), cell.scalars.end(), [&](const ScalarSpec& s) { return s.name == name; });
}

/// What a term names exists and has the shape that the term needs.
void check_term(const CellSpec& cell, const StageSpec& stage, int stage_index, const LinearTerm& term) {
    constexpr Shape shape{.hidden = 7, .input = 5};
    EXPECT_TRUE(term.slot >= 0 && term.slot < stage.slots);
    EXPECT_TRUE(term.block >= 0 && term.block < cell.blocks);
    EXPECT_TRUE(stage_index > 0 || term.source != Source::updated_state) << "nothing is updated before the first stage";
    for (const std::string_view name : {term.beta, term.gamma, term.scalar}) EXPECT_TRUE(name.empty() || has_scalar(cell, name)) << name;
    const bool noise = term.source == Source::factor_noise || term.source == Source::additive_noise;
    const bool of_vector = term.source == Source::input || term.source == Source::state || term.source == Source::updated_state;
    EXPECT_TRUE(of_vector || term.through == Through::identity);
    EXPECT_TRUE(of_vector || term.form == Form::dense);
    EXPECT_TRUE(term.form == Form::symmetric_skew || (term.beta.empty() && term.gamma.empty()));
    if (noise) {
        EXPECT_TRUE(term.tensor.empty() && !term.scalar.empty());
        return;
    }
    EXPECT_TRUE(term.scalar.empty() || term.source == Source::one) << term.scalar;
    const TensorSpec* tensor = find_tensor(cell, term.tensor);
    ASSERT_NE(tensor, nullptr) << term.tensor;
    const int64_t columns = !of_vector ? 1 : term.source == Source::input ? shape.input : shape.hidden;
    if (term.form == Form::dense) {
        EXPECT_GE(term.row_block, 0);
        EXPECT_LE((term.row_block + 1) * shape.hidden * columns, element_count(*tensor, shape)) << term.tensor;
        EXPECT_EQ(element_count(*tensor, shape) % (shape.hidden * columns), 0) << term.tensor;
        EXPECT_EQ(tensor->extents.size(), of_vector ? 2u : 1u);
    } else if (term.form == Form::outer) {
        ASSERT_TRUE(has_tensor(cell, term.tensor2));
        EXPECT_EQ(element_count(*tensor, shape), shape.hidden);
        EXPECT_EQ(element_count(*find_tensor(cell, term.tensor2), shape), columns);
    } else {
        EXPECT_NE(term.source, Source::input);
        EXPECT_EQ(element_count(*tensor, shape), shape.hidden * shape.hidden);
    }
}

void check_initial(const CellSpec& cell, const TensorSpec& tensor, const Initial& start) {
    EXPECT_TRUE(tensor.optional || cell.name == "rank1" || start.law != Initial::Law::absent) << tensor.name << " is required and has no start";
    EXPECT_EQ(start.width == Initial::Width::scalar, !start.scalar.empty()) << tensor.name;
    EXPECT_TRUE(start.scalar.empty() || has_scalar(cell, start.scalar)) << tensor.name;
}

TEST(CellSpecs, EveryCellIsWellFormed) {
    for (const CellSpec& cell : all_cells()) {
        SCOPED_TRACE(cell.name);
        EXPECT_EQ(&find_cell(cell.name), &cell) << "two cells of one name";
        EXPECT_TRUE(cell.readout_block >= 0 && cell.readout_block < cell.blocks);
        EXPECT_TRUE(cell.gated_form_of.empty() || (cell.gated_form_of != cell.name && !find_cell(cell.gated_form_of).name.empty()));
        std::set<std::string_view> names;
        for (const TensorSpec& tensor : cell.tensors) {
            EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name << " twice";
            EXPECT_TRUE(tensor.extents.size() == 1 || tensor.extents.size() == 2) << tensor.name;
            check_initial(cell, tensor, tensor.study);
            check_initial(cell, tensor, tensor.standard);
            bool read = false;
            for (const StageSpec& stage : cell.stages)
                for (const LinearTerm& term : stage.terms) read = read || term.tensor == tensor.name || term.tensor2 == tensor.name;
            EXPECT_TRUE(read) << tensor.name << " is read by nothing";
        }
        for (std::size_t s = 0; s < cell.stages.size(); ++s)
            for (const LinearTerm& term : cell.stages[s].terms) check_term(cell, cell.stages[s], static_cast<int>(s), term);
        std::set<std::string_view> earlier;
        for (const ScalarSpec& scalar : cell.scalars) {
            EXPECT_TRUE(scalar.low <= scalar.fallback && scalar.fallback <= scalar.high) << scalar.name;
            EXPECT_TRUE(scalar.otherwise.empty() || earlier.contains(scalar.otherwise)) << scalar.name;
            EXPECT_TRUE(earlier.insert(scalar.name).second) << scalar.name << " twice";
        }
    }
}

template <class... Cells>
void check_counts(CellList<Cells...>) {
    const auto check = []<class Cell>() {
        const CellSpec cell = Cell::spec();
        SCOPED_TRACE(cell.name);
        EXPECT_EQ(cell.blocks, Cell::blocks);
        ASSERT_EQ(cell.stages.size(), Cell::slots.size());
        for (std::size_t s = 0; s < cell.stages.size(); ++s) EXPECT_EQ(cell.stages[s].slots, Cell::slots[s]);
        const std::size_t scalars = std::is_empty_v<typename Cell::Scalars> ? 0 : sizeof(typename Cell::Scalars) / sizeof(double);
        EXPECT_EQ(scalars, cell.scalars.size());
    };
    (check.template operator()<Cells>(), ...);
}

TEST(CellSpecs, AgreeWithWhatTheCompilerSees) { check_counts(AllCells{}); }

TEST(CompleteParameters, OneScalarMayStandInForOthers) {
    const CellSpec& cell = find_cell("lipschitz");
    Parameters parameters;
    for (const TensorSpec& tensor : cell.tensors)
        if (!tensor.optional) parameters.tensors[std::string(tensor.name)].resize(static_cast<std::size_t>(element_count(tensor, {4, 3})));
    parameters.scalars = {{"beta", 0.6}, {"beta_w", 0.9}};
    complete(cell, {4, 3}, parameters);
    EXPECT_EQ(parameters.scalars.at("beta_a"), 0.6);
    EXPECT_EQ(parameters.scalars.at("beta_w"), 0.9);
    EXPECT_EQ(parameters.scalars.at("gamma_a"), 0.001);
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
