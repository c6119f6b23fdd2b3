#include "aelle/report/paper_tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "aelle/base/text.hpp"
#include "paper_parts.hpp"
#include "paper_values.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

struct TableSpec {
    std::string name, title;
    std::vector<NamedClassifier> rows;      ///< of the paper
    std::vector<double> percents;           ///< shares of training that the paper shows
    bool together = false;                  ///< one more column: all epochs up to half of the training
    bool all_metrics = false;               ///< rows of recall, precision and accuracy too
};

std::vector<TableSpec> pretrained_tables(const Results& results) {
    const std::string mean = by_rule(results, "le-mean"), max = by_rule(results, "le-max"), pc = by_rule(results, "le-pc1"),
                      aelle = by_rule(results, "aelle-pc1");
    return {
        {"table1",
         "Table 1: AeLLE against the loss at that epoch",
         {{"AeLLE", aelle}, {"loss then, final threshold", "epoch-loss-final-threshold"}, {"loss then, own threshold", "epoch-loss"}},
         {0, 10, 20, 50},
         false,
         true},
        {"table2", "Table 2: statistics of the spectrum against AeLLE", {{"LE mean", mean}, {"LE max", max}, {"LE PCA", pc}, {"AeLLE", aelle}},
         {0, 10, 20, 50},
         false,
         true},
        {"table3",
         "Table 3: spectrum, its components and AeLLE, by one threshold and by linear regression",
         {{"raw LE, linear regression", "ridge-spectrum"},
          {"LE PCA, PC1", pc},
          {"LE PCA, linear regression", "ridge-le-pcs"},
          {"AeLLE, PC1", aelle},
          {"AeLLE, linear regression", "ridge-aelle-pcs"}},
         {0, 10, 20, 30, 40, 50},
         true},
        {"table4",
         "Table 4: orthants of the first d components of AeLLE",
         {{"d = 1", "aelle-orthants-1"}, {"d = 2", "aelle-orthants-2"}, {"d = 4", "aelle-orthants-4"}, {"d = 10", "aelle-orthants-10"}},
         {0, 50}},
    };
}

/// What a user would try first, without those that the table already shows.
std::vector<NamedClassifier> baselines(const TableSpec& spec) {
    std::vector<NamedClassifier> rows;
    for (const NamedClassifier& row : std::vector<NamedClassifier>{{"everything good", "all-good"},
                                                                   {"initialisation alone", "init"},
                                                                   {"architecture alone", "architecture"},
                                                                   {"logistic: p, size, architecture", "logistic"},
                                                                   {"the same, p by architecture", "logistic-by-architecture"},
                                                                   {"5-NN, spectrum", "5-nn-spectrum"},
                                                                   {"5-NN, (LE mean, LE max)", "5-nn-mean-max"},
                                                                   {"LE std", "le-std"},
                                                                   {"AeLLE, predicted loss", "aelle-prediction"},
                                                                   {"loss then, own threshold", "epoch-loss"}}) {
        const bool shown = std::any_of(spec.rows.begin(), spec.rows.end(), [&](const NamedClassifier& other) { return other.classifier == row.classifier; });
        if (!shown) rows.push_back(row);
    }
    return rows;
}

std::string percent_text(double percent) { return std::isnan(percent) ? "" : fixed(percent, 0) + " %"; }

/// One score in a shown table, the paper's in brackets.
std::string shown(const Spread& spread, std::optional<double> paper) {
    return mean_and_deviation(spread) + (paper ? " [" + fixed(*paper) + "]" : "");
}

using PaperValue = std::optional<double> (*)(const Results&, const TableSpec&, const std::string& row, double percent, const std::string& metric);

std::optional<double> of_pretrained(const Results& results, const TableSpec& spec, const std::string& row, double percent, const std::string& metric) {
    return results.task == "smnist" && !std::isnan(percent) ? paper_value(spec.name, row, percent, metric) : std::nullopt;
}

std::optional<double> of_task(const Results& results, const TableSpec&, const std::string& row, double, const std::string& metric) {
    return metric == "f1" ? paper_task_value(results.task, row) : std::nullopt;
}

/// Rows of the metrics beside F1.
void add_metrics(const Results& results, const TableSpec& spec, const NamedClassifier& row, const std::vector<const Summary*>& summaries, PaperValue paper,
                 ShownTable& table) {
    for (const std::string metric : {"recall", "precision", "accuracy"}) {
        std::vector<std::string> cells{"   " + metric};
        for (const Summary* summary : summaries) {
            for (const auto& [name, spread] : metrics_of(*summary)) {
                if (name == metric) cells.push_back(shown(*spread, paper(results, spec, row.name, results.percent(summary->epoch), metric)));
            }
        }
        table.rows.push_back(std::move(cells));
    }
}

void add_row(const Results& results, const TableSpec& spec, const NamedClassifier& row, const std::string& group,
             const std::vector<const Summary*>& summaries, PaperValue paper, ShownTable& table) {
    std::vector<std::string> cells{row.name};
    bool any = false;
    for (const Summary* summary : summaries) {
        const double percent = summary->epoch == early_epochs ? all_test : results.percent(summary->epoch);
        const auto of_paper = [&](const std::string& metric) {
            return group == "paper" ? paper(results, spec, row.name, percent, metric) : std::nullopt;
        };
        cells.push_back(shown(summary->f1, of_paper("f1")));
        if (summary->n == 0) continue;
        any = true;
        const std::string epoch = summary->epoch == early_epochs ? "early" : std::to_string(results.epoch[static_cast<std::size_t>(summary->epoch)]);
        for (const auto& [metric, spread] : metrics_of(*summary)) {
            const auto value = of_paper(metric);
            table.csv += csv_line({spec.name, group, csv_text(row.name), csv_text(row.classifier), epoch,
                                   summary->epoch == early_epochs ? "" : csv_real(percent), metric, csv_real(spread->mean), csv_real(spread->deviation),
                                   csv_real(spread->low), csv_real(spread->high), csv_real(spread->split_low), csv_real(spread->split_high),
                                   value ? csv_real(*value) : "", std::to_string(summary->n), std::to_string(results.diverged),
                                   std::to_string(results.failed), std::to_string(results.left_out), std::to_string(results.left_out_spectra)});
        }
    }
    if (!any) return;
    table.rows.push_back(std::move(cells));
    if (spec.all_metrics && group == "paper") add_metrics(results, spec, row, summaries, paper, table);
}

constexpr const char* csv_head =
    "table,group,row,classifier,epoch,percent,metric,mean,sd,networks_low,networks_high,splits_low,splits_high,paper,test_spectra,diverged,failed,"
    "left_out_variants,left_out_spectra\n";

std::string missing_epochs(const Results& results, const TableSpec& spec) {
    std::vector<std::string> missing;
    for (const double percent : spec.percents) {
        bool there = false;
        for (int64_t e = 0; e < results.epochs(); ++e) there = there || std::fabs(results.percent(e) - percent) < 0.5;
        if (!there) missing.push_back(percent_text(percent));
    }
    return missing.empty() ? "" : "The paper also shows " + join(missing, ", ") + " of training; this study has no spectra there.";
}

/// Where a row's classifier can say nothing, why.
std::string unmeasured_losses(const Results& results, const Scores& scores) {
    const int64_t c = results.find_classifier("epoch-loss");
    std::vector<std::string> without, with_label;
    for (int64_t e = 0; c >= 0 && e < results.epochs(); ++e) {
        const Summary& summary = scores.summary[static_cast<std::size_t>(c * results.epochs() + e)];
        const std::string epoch = std::to_string(results.epoch[static_cast<std::size_t>(e)]);
        if (summary.n == 0) without.push_back(epoch);
        else if (results.loss_is_label(e)) with_label.push_back(epoch);
    }
    std::string text;
    if (!without.empty()) text += "No loss was measured after epoch " + join(without, ", ") + ": no score by it (-). ";
    if (!with_label.empty()) text += "The loss after epoch " + join(with_label, ", ") + " is the one that labels are made from, so it is right by construction.";
    return text;
}

ShownTable pretrained_table(const Results& results, const Scores& scores, const TableSpec& spec) {
    ShownTable table{spec.name, spec.title + (spec.all_metrics ? "" : " (F1)"), {{"F1 [paper]"}}, {}, csv_head};
    const bool together = spec.together && !scores.early.empty();
    for (int64_t e = 0; e < results.epochs(); ++e) {
        const std::string epoch = "epoch " + std::to_string(results.epoch[static_cast<std::size_t>(e)]);
        table.rows[0].push_back(std::isnan(results.percent(e)) ? epoch : epoch + ", " + percent_text(results.percent(e)));
    }
    if (together) table.rows[0].push_back("0 to 50 % together");
    const auto add = [&](const std::vector<NamedClassifier>& rows, const std::string& group) {
        for (const NamedClassifier& row : rows) {
            const int64_t c = results.find_classifier(row.classifier);
            if (c < 0) continue;
            std::vector<const Summary*> summaries;
            for (int64_t e = 0; e < results.epochs(); ++e) summaries.push_back(&scores.summary[static_cast<std::size_t>(c * results.epochs() + e)]);
            if (together) summaries.push_back(&scores.early[static_cast<std::size_t>(c)]);
            add_row(results, spec, row, group, summaries, of_pretrained, table);
        }
    };
    add(spec.rows, "paper");
    if (table.rows.size() == 1) return table;  // none of the paper's rows: no table
    add(baselines(spec), "baseline");
    if (results.task != "smnist") table.notes.push_back("The paper's values of this table are of the task smnist: none is shown.");
    else if (const std::string missing = missing_epochs(results, spec); !missing.empty()) table.notes.push_back(missing);
    if (const std::string losses = unmeasured_losses(results, scores); !losses.empty() && spec.name == "table1") table.notes.push_back(losses);
    return table;
}

ShownTable task_table(const Results& results, const Scores& scores) {
    const int64_t last = results.epochs() - 1;
    const TableSpec spec{"tasks",
                         "One task, spectra after epoch " + std::to_string(results.epoch[static_cast<std::size_t>(last)]),
                         {{"LE mean", by_rule(results, "le-mean")},
                          {"LE max", by_rule(results, "le-max")},
                          {"LE PCA", by_rule(results, "le-pc1")},
                          {"AeLLE", by_rule(results, "aelle-pc1")}},
                         {}};
    ShownTable table{spec.name, spec.title, {{"task " + results.task, "F1 [paper]"}}, {}, csv_head};
    const auto add = [&](const std::vector<NamedClassifier>& rows, const std::string& group) {
        for (const NamedClassifier& row : rows) {
            const int64_t c = results.find_classifier(row.classifier);
            if (c < 0 || (row.classifier == "epoch-loss" && results.loss_is_label(last))) continue;
            add_row(results, spec, row, group, {&scores.summary[static_cast<std::size_t>(c * results.epochs() + last)]}, of_task, table);
        }
    };
    add(spec.rows, "paper");
    if (table.rows.size() == 1) return table;
    add(baselines(spec), "baseline");
    if (results.epochs() > 1 && results.fit == "pooled") {
        table.notes.push_back("Models are fitted on spectra of all epochs; the paper's are of trained networks alone: fit = \"last\" does that.");
    }
    return table;
}

std::string counts_note(const Results& results) {
    std::string note = counted(results.variants(), "network", "networks") + ": " + std::to_string(results.diverged) + " diverged (low accuracy), " +
                       std::to_string(results.failed) + " failed, " + std::to_string(results.left_out) + " without a finite spectrum and " +
                       counted(results.left_out_spectra, "spectrum", "spectra") + " left out.";
    if (results.split_by == "spectra") {
        note += " SPLIT BY SPECTRUM, WHICH LEAKS: other spectra of a test network, and so its label, were seen in training.";
    }
    if (results.label_reference == "architecture") note += " Good = loss below the median of the own architecture.";
    if (results.boundary_rule == "median") note += " LE mean, LE max, PC1: boundary at the median.";
    return note;
}

}  // namespace

std::vector<std::pair<std::string, const Spread*>> metrics_of(const Summary& summary) {
    return {{"f1", &summary.f1}, {"precision", &summary.precision}, {"recall", &summary.recall}, {"accuracy", &summary.accuracy}};
}

std::vector<ShownTable> paper_tables(const Results& results, const Scores& scores) {
    std::vector<ShownTable> tables;
    for (const TableSpec& spec : pretrained_tables(results)) tables.push_back(pretrained_table(results, scores, spec));
    tables.push_back(task_table(results, scores));
    tables.push_back(ellipse_table(results));
    tables.push_back(architecture_control_table(results));
    tables.push_back(left_out_table(results));
    const auto last = std::find_if(tables.rbegin(), tables.rend(), [](const ShownTable& table) { return !table.empty(); });
    if (last != tables.rend()) last->notes.push_back(counts_note(results));
    return tables;
}

}  // namespace aelle::report
