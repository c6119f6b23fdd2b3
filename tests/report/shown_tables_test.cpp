// Tables of architectures and of interpretation, and the sentences made from scores, on studies small enough to count by hand.

#include "aelle/report/shown_tables.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "aelle/report/reading.hpp"
#include "report/synthetic_study.hpp"
#include "src/report/architecture_tables.hpp"
#include "src/report/interpretation_tables.hpp"

namespace aelle::report {
namespace {

using testing::Folder;
using testing::Recipe;

/// Four networks of each architecture, the two with the lower loss good; four exponents of each, all alike.
Results made_study(const std::vector<std::string>& cells, const std::vector<double>& loss, const std::vector<double>& exponent) {
    Results results;
    results.task = "smnist";
    results.init_name = "p";
    results.epoch = {0, 3};
    results.exponent_count = 4;
    for (std::size_t c = 0; c < cells.size(); ++c) {
        for (int i = 0; i < 4; ++i) {
            results.variant.push_back(static_cast<int64_t>(100 + results.variant.size()));
            results.cell.push_back(cells[c]);
            results.init.push_back(0.5);
            results.loss.push_back(loss[c] * (1.0 + 0.1 * i));
            results.label.push_back(results.loss.back() < 1.0);
            for (int e = 0; e < 2; ++e) results.exponents.insert(results.exponents.end(), 4, exponent[c]);
        }
    }
    return results;
}

std::string verdict(const ShownTable& table, const std::string& statement) {
    for (const auto& row : table.rows) {
        if (row.front().find(statement) != std::string::npos) return row.back();
    }
    return "absent";
}

TEST(Statements, AreTrueOrFalseAsTheNumbersSay) {
    const ShownTable held = statements_table(made_study({"rnn", "cornn", "gru", "lstm"}, {2.0, 9.0, 0.8, 0.8}, {-3.0, 0.01, -0.06, 0.0}));
    EXPECT_EQ(verdict(held, "no rnn"), "true");
    EXPECT_EQ(verdict(held, "cornn: the spectrum"), "true");
    EXPECT_EQ(verdict(held, "cornn: its loss"), "true");  // 10.35 against the median of 2.3, .92 and .92
    EXPECT_EQ(verdict(held, "lstm lie"), "false");
    EXPECT_EQ(verdict(held, "gru: about half"), "false");
    EXPECT_EQ(verdict(held, "lem"), "absent");
    const ShownTable broken = statements_table(made_study({"rnn", "cornn"}, {0.9, 1.0}, {-3.0, -0.2}));
    EXPECT_EQ(verdict(broken, "no rnn"), "false");  // .9 and .99 lie below 1
    EXPECT_EQ(verdict(broken, "cornn: the spectrum"), "false");
    EXPECT_EQ(verdict(broken, "cornn: its loss"), "false");
    Results other = made_study({"rnn", "cornn"}, {0.9, 1.0}, {-3.0, -0.2});
    other.task = "charrnn";
    EXPECT_TRUE(statements_table(other).empty());
    other.task = "smnist";
    other.label_reference = "architecture";  // labels then say nothing of architectures
    EXPECT_EQ(verdict(statements_table(other), "no rnn"), "absent");
    EXPECT_EQ(verdict(statements_table(other), "cornn: the spectrum"), "false");
}

TEST(MedianVariants, AreTheBetterOfTheMiddleTwoAndDivergedOnesComeLast) {
    Results results = made_study({"rnn", "gru"}, {2.0, 0.8}, {0.04, -0.06});
    results.loss[4] = std::nan("");  // the best gru diverges: order .88, .96, 1.04, none
    const ShownTable table = median_variants_table(results);
    ASSERT_EQ(table.rows.size(), 3u);
    EXPECT_EQ(table.rows[1][1], "101");
    EXPECT_EQ(table.rows[1][5], "4 of 4");
    EXPECT_EQ(table.rows[2][1], "106");
    EXPECT_EQ(table.rows[2][5], "0 of 4");
    EXPECT_TRUE(median_variants_table(made_study({"rnn"}, {1.0}, {0.0})).empty());
}

Recipe full_recipe() {
    Recipe recipe;
    recipe.variants = 48;
    recipe.epochs = {0, 1, 4};
    recipe.training_epochs = 4;
    recipe.repeats = 4;
    recipe.exponents = 12;
    recipe.cells = {"rnn", "gru", "lem"};
    recipe.hidden = {64, 128};
    recipe.task = "smnist";
    recipe.full = true;
    return recipe;
}

const ShownTable& find(const std::vector<TableSection>& sections, const std::string& name) {
    for (const TableSection& section : sections) {
        for (const ShownTable& table : section.tables) {
            if (table.name == name) return table;
        }
    }
    throw std::runtime_error("no table " + name);
}

TEST(Interpretation, CorrelationOfTheLossWithItselfIsOne) {
    const Folder folder("shown-tables");
    testing::write_synthetic_study(folder.path(), full_recipe());
    const Results results = read_results(folder.path());
    const auto sections = shown_tables(results, score_classifiers(results));
    const ShownTable& correlations = find(sections, "spearman");
    ASSERT_GT(correlations.rows.size(), 4u);
    for (std::size_t row = 1; row < correlations.rows.size(); ++row) {
        for (std::size_t e = 1; e <= 3; ++e) EXPECT_EQ(correlations.rows[row][e], "1.00 ± 0.00") << correlations.rows[row][0];
    }
    const ShownTable& latent = find(sections, "latent");
    ASSERT_EQ(latent.rows.size(), 4u);
    EXPECT_EQ(latent.rows[1][0], "1");  // the largest share first
    EXPECT_EQ(latent.rows[1][1], "80.0 %");
    const ShownTable& direction = find(sections, "direction");
    ASSERT_EQ(direction.rows.size(), 6u);
    EXPECT_EQ(direction.rows[5][3], "-0.5");  // mean of .4, 0, -.8, -1.6
    EXPECT_EQ(direction.rows[5][4], "0.4");
    for (const char* name : {"table2", "control_architecture", "control_left_out", "median_variants", "statements"})
        EXPECT_FALSE(find(sections, name).empty()) << name;
}

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

TEST(PaperTables, HaveThePapersValuesAtItsSharesOfTrainingAndTaskOnly) {
    Recipe recipe = full_recipe();
    recipe.epochs = {0, 1, 2, 3, 10};
    recipe.training_epochs = 10;
    const Folder folder("paper-tables");
    testing::write_synthetic_study(folder.path(), recipe);
    const Results results = read_results(folder.path());
    const auto sections = shown_tables(results, score_classifiers(results));
    const ShownTable& table = find(sections, "table2");
    const auto aelle = std::find_if(table.rows.begin(), table.rows.end(), [](const auto& row) { return row.front() == "AeLLE"; });
    ASSERT_NE(aelle, table.rows.end());
    ASSERT_EQ(aelle->size(), 6u);
    EXPECT_TRUE(ends_with((*aelle)[1], "[0.85]")) << (*aelle)[1];
    EXPECT_TRUE(ends_with((*aelle)[2], "[0.89]")) << (*aelle)[2];
    EXPECT_TRUE(ends_with((*aelle)[3], "[0.90]")) << (*aelle)[3];
    EXPECT_EQ((*aelle)[4].find('['), std::string::npos);  // the paper's Table 2 has no 30 %
    EXPECT_EQ((*aelle)[5].find('['), std::string::npos);
    EXPECT_TRUE(ends_with((*(aelle + 1))[1], "[0.94]")) << (*(aelle + 1))[1];  // recall
    EXPECT_EQ((aelle + 3)->front(), "   accuracy");
    for (std::size_t row = 1; row < table.rows.size(); ++row) EXPECT_EQ(table.rows[row].size(), table.rows[0].size());
    EXPECT_TRUE(ends_with(find(sections, "tasks").rows[4][1], "[0.86]"));
    Results other = results;
    other.task = "charrnn";
    const auto of_other = shown_tables(other, score_classifiers(other));
    for (const auto& row : find(of_other, "table2").rows) {
        for (std::size_t i = 1; i < row.size(); ++i) EXPECT_TRUE(row[i].find('[') == std::string::npos) << row[i];
    }
}

/// A study of ten networks, half of them good, all tested in both splits; `calls`: how many of the good ones each classifier finds, without a wrong call.
Results judged_study(const std::vector<std::pair<std::string, int>>& calls) {
    Results results;
    results.epoch = {0, 3};
    results.repeats = 2;
    for (int64_t v = 0; v < 10; ++v) {
        results.variant.push_back(v);
        results.label.push_back(v < 5);
        results.loss.push_back(static_cast<double>(v));
    }
    results.split.assign(20, 2);
    for (const auto& [name, found] : calls) {
        results.classifier.push_back(name);
        for (int i = 0; i < 2 * 10 * 2; ++i) results.positive.push_back(name == "all-good" || (i / 2) % 10 < found);
        results.boundary.insert(results.boundary.end(), 4, 0.0);
        results.side.insert(results.side.end(), 4, 1);
    }
    return results;
}

std::string reading_of(const Results& results) { return text_of(reading(results, score_classifiers(results))); }

TEST(Reading, SaysWhatTheScoresSay) {
    const std::string ahead =
        reading_of(judged_study({{"all-good", 0}, {"le-max", 2}, {"aelle-pc1", 5}, {"logistic", 3}, {"5-nn-spectrum", 1}}));
    EXPECT_NE(ahead.find("first component: better before training and after epoch 3 (F1 1.00 against 0.57)."), std::string::npos) << ahead;
    EXPECT_NE(ahead.find("Nothing that is known before anything is trained does as well."), std::string::npos) << ahead;
    const std::string behind =
        reading_of(judged_study({{"all-good", 0}, {"le-max", 5}, {"aelle-pc1", 2}, {"logistic", 3}, {"5-nn-spectrum", 1}}));
    EXPECT_NE(behind.find("first component: worse before training and after epoch 3 (F1 0.57 against 1.00)."), std::string::npos) << behind;
    EXPECT_NE(behind.find("logistic (F1 0.75, before training and after epoch 3)"), std::string::npos) << behind;
    EXPECT_EQ(behind.find("5-nn-spectrum (F1"), std::string::npos) << behind;
}

TEST(Reading, ControlsDecideWhetherItIsTheArchitecture) {
    Results results = judged_study({{"all-good", 0}, {"le-max", 2}, {"aelle-pc1", 5}});
    results.control_label = results.label;
    results.control_positive = results.positive;
    EXPECT_NE(reading_of(results).find("most of what it tells is not the architecture"), std::string::npos);
    for (int64_t& positive : results.control_positive) positive = 1;
    EXPECT_NE(reading_of(results).find("most of what it tells is which architectures are good"), std::string::npos);
    results.held_out = {"gru"};
    results.held_out_split.assign(10, 2);
    results.held_out_positive.assign(3 * 10 * 2, 0);
    for (std::size_t i = 0; i < 20; ++i) results.held_out_positive[i] = 1;  // everything good
    const std::string alone = reading_of(results);
    EXPECT_NE(
        alone.find(
            "On architectures that it was not fitted on it scores F1 0.00 on average, everything good 0.67, over the 1 of 1 with a good "
            "network; better on 0 of them, on average no better than calling everything good. Accuracy over all 1: 0.50 against 0.50."),
        std::string::npos)
        << alone;

    // Two more: one on which it is right throughout, one without a good network, which no F1 can tell from any other.
    results.held_out = {"gru", "lstm", "rnn"};
    results.held_out_split.assign(30, 2);
    for (std::size_t v = 0; v < 5; ++v) results.held_out_split[20 + v] = 0;
    results.held_out_positive.assign(3 * 30 * 2, 0);
    for (std::size_t i = 0; i < 60; ++i) results.held_out_positive[i] = 1;
    for (std::size_t v = 0; v < 5; ++v) results.held_out_positive[2 * 60 + 20 + 2 * v + 1] = 1;  // aelle-pc1, lstm, the last epoch
    const std::string three = reading_of(results);
    EXPECT_NE(three.find("scores F1 0.50 on average, everything good 0.67, over the 2 of 3 with a good network; better on 1 of them, on "
                         "average no better "
                         "than calling everything good. Accuracy over all 3: 0.83 against 0.33."),
              std::string::npos)
        << three;
}

TEST(Reading, ComparesBoundariesOfTheSameRuleAndNamesIt) {
    Results results =
        judged_study({{"all-good", 0}, {"le-max", 5}, {"le-max-median", 3}, {"le-std", 5}, {"aelle-pc1", 3}, {"aelle-pc1-median", 5}});
    results.boundary_rule = "median";
    const std::string reading = reading_of(results);
    EXPECT_NE(
        reading.find(
            "One threshold on AeLLE's PC1 (cut at its median) against one threshold on a single number of the spectrum, the best of mean, "
            "largest and first component, each cut at its median: better before training and after epoch 3 (F1 1.00 against 0.75)."),
        std::string::npos)
        << reading;
}

TEST(Reading, OfASingleSplitGivesNoVerdict) {
    Results results = judged_study({{"all-good", 0}, {"le-max", 2}, {"aelle-pc1", 5}, {"logistic", 3}});
    results.repeats = 1;
    results.split.resize(10);
    const std::vector<int64_t> both = std::move(results.positive);
    results.positive.clear();
    for (std::size_t c = 0; c < 4; ++c)
        results.positive.insert(results.positive.end(), both.begin() + static_cast<std::ptrdiff_t>(40 * c),
                                both.begin() + static_cast<std::ptrdiff_t>(40 * c + 20));
    const Scores scores = score_classifiers(results);
    const std::string text = text_of(reading(results, scores));
    EXPECT_NE(text.find("A single split has no spread"), std::string::npos) << text;
    for (const char* verdict : {"better", "worse", "does as well"}) EXPECT_EQ(text.find(verdict), std::string::npos) << text;
    const std::vector<std::string> sentences = findings(results, scores, 1);
    ASSERT_GE(sentences.size(), 2u);
    EXPECT_TRUE(ends_with(sentences[1], "of a single split, which decides nothing.")) << sentences[1];
}

TEST(Interpretation, StepsAndUnitsAreThoseOfTheOptions) {
    Results results = judged_study({{"all-good", 0}, {"aelle-pc1", 5}});
    results.direction.shift = {-1.0, 1.0};
    results.direction.prediction = results.direction.encoded = {0.2, 0.8};
    results.direction.spectrum = {0.1, -0.1, 0.3, -0.3};
    results.direction.share = {1.0};
    results.direction.length = 2;
    const ShownTable usual = direction_table(results);
    ASSERT_EQ(usual.notes.size(), 1u);
    EXPECT_NE(usual.notes[0].find("in standard deviations of the training networks' log losses;"), std::string::npos) << usual.notes[0];
    EXPECT_NE(usual.notes[0].find("Exponents in nats per step."), std::string::npos) << usual.notes[0];
    results.options = {{"standardise", "0"}, {"target", "raw"}, {"log", "2"}};
    results.direction.prediction[0] = -0.3;
    const ShownTable raw = direction_table(results);
    ASSERT_EQ(raw.notes.size(), 2u);
    EXPECT_NE(raw.notes[0].find("in units of the loss;"), std::string::npos) << raw.notes[0];
    EXPECT_NE(raw.notes[0].find("Exponents in bits per step."), std::string::npos) << raw.notes[0];
    EXPECT_NE(reading_of(results).find("a predicted loss below 0 is no loss that a network can have"), std::string::npos);
}

TEST(Reading, OfAnEmptyAnalysisIsEmpty) { EXPECT_EQ(reading_of(judged_study({})), ""); }

}  // namespace
}  // namespace aelle::report
