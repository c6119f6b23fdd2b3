#include "analyses_tables.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <system_error>

#include "aelle/base/error.hpp"
#include "paper_parts.hpp"
#include "paper_values.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

struct Column {
    std::string name;
    const Results& results;
    const Scores& scores;
};

std::vector<Column> columns_of(const Results& results, const Scores& scores, const std::vector<NamedAnalysis>& others) {
    std::vector<Column> columns{{"this analysis", results, scores}};
    for (const NamedAnalysis& other : others) columns.push_back({other.name, other.results, other.scores});
    return columns;
}

/// F1 of a classifier of the paper under the analysis' own rule for boundaries; NaN where it has none.
Spread f1_of(const Column& column, const std::string& classifier, int64_t epoch) {
    const int64_t c = column.results.find_classifier(by_rule(column.results, classifier));
    if (c < 0) return {std::nan(""), std::nan("")};
    return column.scores.summary[static_cast<std::size_t>(c * column.results.epochs() + epoch)].f1;
}

void add_row(const std::string& name, const std::string& classifier, int64_t epoch, const std::vector<Column>& columns,
             std::optional<double> paper, ShownTable& table) {
    std::vector<std::string> row{name};
    for (const Column& column : columns) {
        const Spread spread = f1_of(column, classifier, epoch);
        row.push_back(mean_and_deviation(spread));
        table.csv += csv_line({csv_text(name), csv_text(column.name), std::to_string(column.results.epoch[static_cast<std::size_t>(epoch)]),
                               csv_real(spread.mean), csv_real(spread.deviation), csv_real(spread.low), csv_real(spread.high),
                               paper ? csv_real(*paper) : ""});
    }
    row.push_back(paper ? fixed(*paper) : "-");
    table.rows.push_back(std::move(row));
}

constexpr const char* csv_head = "row,analysis,epoch,f1_mean,f1_sd,networks_low,networks_high,paper\n";

std::vector<std::string> header(const std::string& first, const std::vector<Column>& columns) {
    std::vector<std::string> row{first};
    for (const Column& column : columns) row.push_back(column.name);
    row.push_back("paper");
    return row;
}

ShownTable scores_table(const std::vector<Column>& columns) {
    const Results& results = columns.front().results;
    const int64_t last = results.epochs() - 1;
    ShownTable table{"analyses",
                     "F1 after epoch " + std::to_string(results.epoch[static_cast<std::size_t>(last)]),
                     {header("classifier", columns)},
                     {},
                     csv_head};
    for (const NamedClassifier& row : std::vector<NamedClassifier>{{"everything good", "all-good"},
                                                                   {"LE mean", "le-mean"},
                                                                   {"LE max", "le-max"},
                                                                   {"LE PCA", "le-pc1"},
                                                                   {"raw LE, linear regression", "ridge-spectrum"},
                                                                   {"AeLLE", "aelle-pc1"},
                                                                   {"AeLLE, linear regression", "ridge-aelle-pcs"},
                                                                   {"AeLLE, predicted loss", "aelle-prediction"},
                                                                   {"5-NN, spectrum", "5-nn-spectrum"},
                                                                   {"logistic: p, size, architecture", "logistic"}}) {
        add_row(row.name, row.classifier, last, columns, paper_task_value(results.task, row.name), table);
    }
    return table;
}

ShownTable training_table(const std::vector<Column>& columns) {
    const Results& results = columns.front().results;
    ShownTable table{"analyses_training", "AeLLE through training (F1 of one threshold on PC1)", {header("epoch", columns)}, {}, csv_head};
    for (int64_t e = 0; results.epochs() > 1 && e < results.epochs(); ++e) {
        const auto paper = results.task == "smnist" ? paper_value("table1", "AeLLE", results.percent(e), "f1") : std::nullopt;
        add_row("epoch " + std::to_string(results.epoch[static_cast<std::size_t>(e)]), "aelle-pc1", e, columns, paper, table);
    }
    return table;
}

ShownTable options_table(const std::vector<Column>& columns) {
    ShownTable table{"analyses_options", "Options that differ", {header("option", columns)}, {}, "option,analysis,value\n"};
    table.rows.front().pop_back();
    std::map<std::string, bool> names;
    for (const Column& column : columns) {
        for (const auto& [name, value] : column.results.options) names[name] = true;
    }
    for (const auto& [name, ignored] : names) {
        std::vector<std::string> row{name};
        bool differ = false;
        for (const Column& column : columns) {
            const auto found = column.results.options.find(name);
            row.push_back(found == column.results.options.end() ? "-" : found->second);
            differ = differ || row.back() != row[1];
        }
        if (!differ) continue;
        for (std::size_t i = 0; i < columns.size(); ++i) table.csv += csv_line({name, csv_text(columns[i].name), csv_text(row[i + 1])});
        table.rows.push_back(std::move(row));
    }
    return table;
}

}  // namespace

std::vector<NamedAnalysis> read_other_analyses(const std::filesystem::path& folder, std::vector<std::string>& notes) {
    std::vector<std::filesystem::path> found;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "analyses", none)) {
        if (std::filesystem::exists(entry.path() / "analysis.h5")) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    std::vector<NamedAnalysis> analyses;
    for (const auto& path : found) {
        const std::string name = path.filename().string();
        try {
            Results results = read_results(folder, path);
            Scores scores = score_classifiers(results);
            analyses.push_back({name, std::move(results), std::move(scores)});
        } catch (const Error& error) {
            notes.push_back("Analysis left out: " + name + ": " + error.what() + ". `aelle analyze " + folder.string() + " --as " + name +
                            "` makes it anew.");
        }
    }
    return analyses;
}

TableSection analyses_section(const Results& results, const Scores& scores, const std::vector<NamedAnalysis>& others) {
    if (others.empty()) return {"Other analyses of the same networks", {}};
    const std::vector<Column> columns = columns_of(results, scores, others);
    return {"Other analyses of the same networks", {scores_table(columns), training_table(columns), options_table(columns)}};
}

}  // namespace aelle::report
