#include "aelle/report/tables.hpp"

#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/file.hpp"
#include "aelle/report/reading.hpp"
#include "aelle/report/shown_tables.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

double value_at(const std::vector<double>& values, std::size_t index) { return values.empty() ? std::nan("") : values[index]; }

const std::string& name_of(const Results& results, const Summary& summary) {
    return results.classifier[static_cast<std::size_t>(summary.classifier)];
}

std::string epoch_text(const Results& results, int64_t e) { return std::to_string(results.epoch[static_cast<std::size_t>(e)]); }

/// Classifiers as rows, epochs as columns, for the epochs before the last.
std::string epochs_table(const Results& results, const Scores& scores, const std::vector<Summary>& order) {
    std::vector<std::vector<std::string>> rows(1, {"mean F1 after epoch"});
    for (int64_t e = 0; e < results.epochs(); ++e) rows[0].push_back(epoch_text(results, e));
    for (const Summary& last : order) {
        std::vector<std::string> row{name_of(results, last)};
        for (int64_t e = 0; e < results.epochs(); ++e) {
            row.push_back(mean_and_deviation(scores.summary[static_cast<std::size_t>(last.classifier * results.epochs() + e)].f1));
        }
        rows.push_back(std::move(row));
    }
    return aligned(rows);
}

void write_table(const std::filesystem::path& file, const std::string& text, Tables& tables) {
    io::write_atomically(file, text);
    tables.files.push_back(file);
}

}  // namespace

std::string classifiers_csv(const Results& results, const Scores& scores) {
    std::string text = "classifier,epoch,repeat,n,tp,fp,fn,precision,recall,f1,f1_low,f1_high,accuracy,boundary\n";
    for (const ScoreRow& row : scores.rows) {
        text += csv_line({csv_text(results.classifier[static_cast<std::size_t>(row.classifier)]), epoch_text(results, row.epoch),
                          row.repeat == all_repeats ? "all" : std::to_string(row.repeat), std::to_string(row.n), std::to_string(row.tp),
                          std::to_string(row.fp), std::to_string(row.fn), csv_real(row.precision), csv_real(row.recall), csv_real(row.f1),
                          csv_real(row.f1_low), csv_real(row.f1_high), csv_real(row.accuracy), csv_real(row.boundary)});
    }
    return text;
}

std::string summary_csv(const Results& results, const Scores& scores) {
    std::string text =
        "classifier,epoch,repeats,f1_mean,f1_sd,f1_low,f1_high,precision_mean,precision_sd,recall_mean,recall_sd,accuracy_mean,accuracy_"
        "sd\n";
    for (const Summary& row : scores.summary) {
        text += csv_line({csv_text(name_of(results, row)), epoch_text(results, row.epoch), std::to_string(results.repeats),
                          csv_real(row.f1.mean), csv_real(row.f1.deviation), csv_real(row.f1.low), csv_real(row.f1.high),
                          csv_real(row.precision.mean), csv_real(row.precision.deviation), csv_real(row.recall.mean),
                          csv_real(row.recall.deviation), csv_real(row.accuracy.mean), csv_real(row.accuracy.deviation)});
    }
    return text;
}

std::string variants_csv(const Results& results) {
    std::string text =
        "variant,cell,hidden,init,seed,status,label,loss,epoch,exponent_mean,exponent_max,exponent_std,kaplan_yorke,pc1,pc2,predicted_loss\n";
    const int64_t last = results.epochs() - 1;
    for (int64_t v = 0; v < results.variants(); ++v) {
        const auto i = static_cast<std::size_t>(v);
        const auto at_last = static_cast<std::size_t>(v * results.epochs() + last);
        text += csv_line({std::to_string(results.variant[i]), csv_text(results.cell[i]), std::to_string(results.hidden[i]),
                          csv_real(results.init[i]), std::to_string(results.variant_seed[i]), csv_text(results.status[i]),
                          std::to_string(results.label[i]), csv_real(results.loss[i]), epoch_text(results, last),
                          csv_real(value_at(results.statistic_mean, at_last)), csv_real(value_at(results.statistic_max, at_last)),
                          csv_real(value_at(results.statistic_std, at_last)), csv_real(value_at(results.kaplan_yorke, at_last)), csv_real(results.component(v, last, 0)),
                          csv_real(results.component(v, last, 1)), csv_real(value_at(results.predicted_loss, at_last))});
    }
    return text;
}

std::string text_table(const Results& results, const Scores& scores) {
    const int64_t last = results.epochs() - 1;
    const std::vector<Summary> order = ranked(scores, last);
    std::vector<std::vector<std::string>> rows(
        1, {"after epoch " + epoch_text(results, last), "F1", "95 % interval", "precision", "recall", "accuracy"});
    for (const Summary& summary : order) {
        rows.push_back({name_of(results, summary), mean_and_deviation(summary.f1), interval(summary.f1.low, summary.f1.high),
                        mean_and_deviation(summary.precision), mean_and_deviation(summary.recall), mean_and_deviation(summary.accuracy)});
    }
    std::string text = aligned(rows);
    if (results.epochs() > 1) text += "\n" + epochs_table(results, scores, order);
    text += "\nall-good: everything is called good. init: by " + results.init_name + " alone. le-: by mean, max, std, Kaplan-Yorke dimension or first principal component of the exponents."
            "\naelle-: by the autoencoder's plane or predicted loss. ridge-, 5-nn-: regression and nearest neighbours. -median: cut at the median."
            "\naelle-orthants-d, aelle-ellipse: regions of the plane. epoch-loss: by the loss measured at that epoch. architecture, logistic: without any spectrum.\n";
    text += "\n" + scoring_note(results, last) +
            "\nMean ± standard deviation over splits; interval of the mean F1 by bootstrap over networks.\n";
    for (const std::string& sentence : findings(results, scores, last)) text += sentence + "\n";
    if (scores.undefined > 0) text += undefined_note(scores) + "\n";
    return text;
}

Tables write_tables(const std::filesystem::path& folder, const std::string& analysis) {
    const auto place = analysis_folder(folder, analysis);
    const Results results = read_results(folder, place);
    const Scores scores = score_classifiers(results);
    const auto to = place / "tables";
    std::error_code error;
    io::create_folders(to);
    Tables tables;
    write_table(to / "classifiers.csv", classifiers_csv(results, scores), tables);
    write_table(to / "summary.csv", summary_csv(results, scores), tables);
    write_table(to / "variants.csv", variants_csv(results), tables);
    const std::vector<TableSection> sections = shown_tables(results, scores);
    for (const TableSection& section : sections) {
        for (const ShownTable& table : section.tables) {
            if (table.empty()) std::filesystem::remove(to / (table.name + ".csv"), error);  // of an earlier analysis
            else write_table(to / (table.name + ".csv"), table.csv, tables);
        }
    }
    tables.text = text_table(results, scores) + text_of(sections) + text_of(reading(results, scores));
    return tables;
}

}  // namespace aelle::report
