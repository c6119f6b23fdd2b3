// Scores against counts made by hand, intervals against the normal approximation, CSV files read back.

#include "aelle/report/tables.hpp"
#include "aelle/report/reading.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "aelle/base/error.hpp"
#include "aelle/io/file.hpp"
#include "report/synthetic_study.hpp"

namespace aelle::report {
namespace {

using testing::Folder;
using testing::Recipe;

/// Variants with labels and, for each repeat, splits and calls; one epoch.
Results made_results(std::vector<int64_t> label, std::vector<std::vector<int64_t>> splits,
                     std::vector<std::vector<std::vector<int64_t>>> calls) {
    Results results;
    results.seed = 3;
    results.epoch = {15};
    results.label = std::move(label);
    results.repeats = static_cast<int64_t>(splits.size());
    for (std::size_t v = 0; v < results.label.size(); ++v) results.variant.push_back(static_cast<int64_t>(v));
    for (const auto& split : splits) results.split.insert(results.split.end(), split.begin(), split.end());
    for (std::size_t c = 0; c < calls.size(); ++c) {
        results.classifier.push_back("c" + std::to_string(c));
        for (std::size_t r = 0; r < splits.size(); ++r) {
            results.positive.insert(results.positive.end(), calls[c][r].begin(), calls[c][r].end());
            results.boundary.push_back(0.1 * static_cast<double>(c + 1));
            results.side.push_back(1);
        }
    }
    return results;
}

std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& file) {
    std::istringstream text(io::read_text(file));
    std::vector<std::vector<std::string>> rows;
    for (std::string line; std::getline(text, line);) {
        rows.emplace_back();
        std::size_t from = 0;
        for (std::size_t comma = line.find(','); comma != std::string::npos; comma = line.find(',', from)) {
            rows.back().push_back(line.substr(from, comma - from));
            from = comma + 1;
        }
        rows.back().push_back(line.substr(from));
    }
    return rows;
}

TEST(Scores, CountOnlyTestVariantsWithASpectrum) {
    // Variant:            0  1  2  3  4  5  6  7
    const auto results = made_results({1, 1, 0, 0, 1, 0, 1, 1}, {{2, 2, 2, 2, 0, 1, 2, 2}, {2, 2, 2, 0, 0, 1, 0, -1}},
                                      {{{1, 0, 1, 0, 1, 1, 1, -1}, {0, 0, 1, 1, 1, 1, 1, 1}}});
    const Scores scores = score_classifiers(results);
    ASSERT_EQ(scores.rows.size(), 3u);
    // Repeat 0: variants 0, 1, 2, 3, 6 (7 has no spectrum): tp = {0, 6}, fn = {1}, fp = {2}, tn = {3}.
    const ScoreRow& first = scores.rows[0];
    EXPECT_EQ(first.n, 5);
    EXPECT_EQ(first.tp, 2);
    EXPECT_EQ(first.fp, 1);
    EXPECT_EQ(first.fn, 1);
    EXPECT_DOUBLE_EQ(first.precision, 2.0 / 3.0);
    EXPECT_DOUBLE_EQ(first.recall, 2.0 / 3.0);
    EXPECT_DOUBLE_EQ(first.f1, 2.0 / 3.0);
    EXPECT_DOUBLE_EQ(first.accuracy, 3.0 / 5.0);
    EXPECT_DOUBLE_EQ(first.boundary, 0.1);
    // Repeat 1: variants 0, 1, 2: no true positive.
    EXPECT_EQ(scores.rows[1].n, 3);
    EXPECT_EQ(scores.rows[1].tp, 0);
    EXPECT_DOUBLE_EQ(scores.rows[1].f1, 0.0);
    // All: sums of counts, means of scores.
    const ScoreRow& all = scores.rows[2];
    EXPECT_EQ(all.repeat, all_repeats);
    EXPECT_EQ(all.n, 8);
    EXPECT_EQ(all.fn, 3);
    EXPECT_DOUBLE_EQ(all.f1, 1.0 / 3.0);
    EXPECT_TRUE(std::isnan(all.boundary));
    EXPECT_DOUBLE_EQ(scores.summary[0].f1.mean, 1.0 / 3.0);
    EXPECT_DOUBLE_EQ(scores.summary[0].f1.deviation, std::sqrt(2.0) / 3.0);  // of 2/3 and 0
}

TEST(Scores, WithoutDenominatorCountAsZeroInMeansAndAreNoNumberThemselves) {
    const auto results = made_results({0, 0, 1}, {{2, 2, 0}}, {{{0, 0, 0}}});
    const Scores scores = score_classifiers(results);
    EXPECT_TRUE(std::isnan(scores.rows[0].precision));
    EXPECT_TRUE(std::isnan(scores.rows[0].recall));
    EXPECT_TRUE(std::isnan(scores.rows[0].f1));
    EXPECT_DOUBLE_EQ(scores.rows[0].accuracy, 1.0);
    EXPECT_DOUBLE_EQ(scores.summary[0].f1.mean, 0.0);
    EXPECT_TRUE(std::isnan(scores.summary[0].f1.deviation));
    EXPECT_EQ(scores.undefined, 3);
}

TEST(Scores, IntervalAgreesWithTheNormalApproximation) {
    // Everything called good: F1 = 2q / (1 + q) with q the share of good ones, whose standard error is sqrt(q (1 - q) / n).
    const int64_t n = 800;
    std::vector<int64_t> label, test, called;
    for (int64_t v = 0; v < n; ++v) {
        label.push_back(v % 2);
        test.push_back(2);
        called.push_back(1);
    }
    const auto row = score_classifiers(made_results(label, {test}, {{called}})).rows[0];
    const double error = 1.96 * std::sqrt(0.25 / static_cast<double>(n));
    EXPECT_NEAR(row.f1_low, 2 * (0.5 - error) / (1.5 - error), 0.006);
    EXPECT_NEAR(row.f1_high, 2 * (0.5 + error) / (1.5 + error), 0.006);
    EXPECT_LT(row.f1_low, row.f1);
    EXPECT_LT(row.f1, row.f1_high);
}

TEST(Scores, RepeatingTheSameSplitDoesNotNarrowTheInterval) {
    std::vector<int64_t> label, test, called;
    for (int64_t v = 0; v < 60; ++v) {
        label.push_back(v % 2);
        test.push_back(v % 3 == 0 ? 0 : 2);
        called.push_back(v % 5 == 0 ? 1 - v % 2 : v % 2);
    }
    const Scores once = score_classifiers(made_results(label, {test}, {{called}}));
    const Scores often = score_classifiers(made_results(label, {test, test, test, test}, {{called, called, called, called}}));
    EXPECT_NEAR(often.rows.back().f1_low, once.rows[0].f1_low, 1e-12);
    EXPECT_NEAR(often.rows.back().f1_high, once.rows[0].f1_high, 1e-12);
}

TEST(Findings, NameTheBestAndClaimNoAdvantageThatIsNotThere) {
    const std::vector<int64_t> label{1, 1, 0, 0, 1, 0}, test(6, 2);
    const std::vector<int64_t> right = label, half{1, 0, 0, 1, 1, 0}, other{0, 1, 1, 0, 1, 0};
    Results results = made_results(label, {test, test}, {{half, other}, {right, right}});
    results.classifier = {"aelle-pc1", "le-max"};
    std::string said;
    for (const std::string& sentence : findings(results, score_classifiers(results), 0)) said += sentence + "\n";
    EXPECT_NE(said.find("le-max, 1.00 ± 0.00"), std::string::npos) << said;
    EXPECT_NE(said.find("No other lies within"), std::string::npos) << said;
    EXPECT_NE(said.find("AeLLE shows no advantage here"), std::string::npos) << said;
    results.classifier = {"le-max", "aelle-pc1"};
    said.clear();
    for (const std::string& sentence : findings(results, score_classifiers(results), 0)) said += sentence + "\n";
    EXPECT_NE(said.find("larger than the spread between splits."), std::string::npos) << said;
}

TEST(Tables, HaveTheColumnsPromisedAndRealsThatReadBackExactly) {
    const Folder folder("report-tables");
    Recipe recipe;
    recipe.variants = 40;
    recipe.repeats = 3;
    recipe.epochs = {0, 15};
    testing::write_synthetic_study(folder.path(), recipe);
    const Tables tables = write_tables(folder.path());
    ASSERT_GE(tables.files.size(), 3u);
    const auto rows = read_csv(folder.path() / "tables" / "classifiers.csv");
    const std::vector<std::string> header{"classifier", "epoch",  "repeat", "n",      "tp",      "fp",       "fn",
                                          "precision",  "recall", "f1",     "f1_low", "f1_high", "accuracy", "boundary"};
    EXPECT_EQ(rows[0], header);
    ASSERT_EQ(rows.size(), 1 + recipe.classifiers.size() * 2 * 4);
    const Scores scores = score_classifiers(read_results(folder.path()));
    for (std::size_t i = 1; i < rows.size(); ++i) {
        ASSERT_EQ(rows[i].size(), header.size());
        const ScoreRow& row = scores.rows[i - 1];
        EXPECT_EQ(rows[i][1], row.epoch == 0 ? "0" : "15");
        EXPECT_EQ(rows[i][2], row.repeat == all_repeats ? "all" : std::to_string(row.repeat));
        const std::vector<double> reals{row.precision, row.recall, row.f1, row.f1_low, row.f1_high, row.accuracy, row.boundary};
        for (std::size_t k = 0; k < reals.size(); ++k) {
            const std::string& text = rows[i][7 + k];
            if (std::isnan(reals[k])) EXPECT_EQ(text, "");
            else EXPECT_EQ(std::strtod(text.c_str(), nullptr), reals[k]);
        }
    }
    EXPECT_EQ(read_csv(folder.path() / "tables" / "variants.csv").size(), 41u);
    EXPECT_EQ(read_csv(folder.path() / "tables" / "summary.csv").size(), 1 + recipe.classifiers.size() * 2);
}

TEST(Tables, TextSaysWhatCallingEverythingGoodScores) {
    const Folder folder("report-text");
    testing::write_synthetic_study(folder.path());
    const Results results = read_results(folder.path());
    const Scores scores = score_classifiers(results);
    const std::string text = text_table(results, scores);
    const int64_t good = results.find_classifier("all-good");
    char expected[64];
    std::snprintf(expected, sizeof expected, "Calling everything good scores F1 = %.2f",
                  scores.summary[static_cast<std::size_t>(good)].f1.mean);
    EXPECT_NE(text.find(expected), std::string::npos) << text;
    EXPECT_NE(text.find("20 random splits"), std::string::npos) << text;
}

TEST(Tables, QuoteNamesThatHoldCommas) {
    Results results = made_results({1, 0}, {{2, 2}}, {{{1, 0}}});
    results.classifier = {"a,\"b\""};
    const std::string csv = classifiers_csv(results, score_classifiers(results));
    EXPECT_NE(csv.find("\n\"a,\"\"b\"\"\",15,0,2,1,0,0,1,1,1,"), std::string::npos) << csv;
}

TEST(Results, NameFileAndDatasetThatIsMissing) {
    for (const std::string name : {"variant", "status", "classifier", "split", "label", "positive", "boundary"}) {
        const Folder folder("report-missing");
        Recipe recipe;
        recipe.variants = 8;
        recipe.repeats = 1;
        recipe.without = {name};
        testing::write_synthetic_study(folder.path(), recipe);
        try {
            read_results(folder.path());
            FAIL() << name;
        } catch (const DataError& error) {
            const std::string said = error.what();
            EXPECT_NE(said.find(".h5"), std::string::npos) << said;
            EXPECT_NE(said.find(name), std::string::npos) << said;
        }
    }
}

TEST(Results, OfAnotherVersionAreRefused) {
    const Folder folder("report-version");
    Recipe recipe;
    recipe.variants = 8;
    recipe.repeats = 1;
    recipe.format_version = 2;
    testing::write_synthetic_study(folder.path(), recipe);
    try {
        read_results(folder.path());
        FAIL() << "read without an error";
    } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("study.h5: format_version: found 2, expected 1"), std::string::npos) << error.what();
    }
}

TEST(Results, OfAnotherStudyAreRefused) {
    const Folder folder("report-other"), other("report-other-2");
    Recipe recipe;
    recipe.variants = 8;
    recipe.repeats = 1;
    testing::write_synthetic_study(folder.path(), recipe);
    recipe.variants = 9;
    testing::write_synthetic_study(other.path(), recipe);
    std::filesystem::copy_file(other.path() / "analysis.h5", folder.path() / "analysis.h5",
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_THROW(read_results(folder.path()), DataError);
    std::filesystem::remove(folder.path() / "analysis.h5");
    EXPECT_THROW(read_results(folder.path()), MissingInput);
}

}  // namespace
}  // namespace aelle::report
