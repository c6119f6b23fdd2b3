#include "paper_parts.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "text_columns.hpp"

namespace aelle::report {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double g_low = 1.2, g_high = 1.5;  // range of g that the paper calls trivially good

/// Boundaries are not known for made-up classifiers.
void forget_boundaries(Results& results) {
    const auto size = static_cast<std::size_t>(results.classifiers() * results.repeats * results.epochs());
    results.boundary.assign(size, nan);
    results.side.assign(size, 0);
}

/// The ellipse's network at epoch e of repeat r: inside, and in the range of g.
using Region = std::function<bool(bool inside, bool in_range)>;

/// Regions as classifiers: what they call good is what lies in them.
Results as_classifiers(const Results& results, int64_t ellipse, const std::vector<std::pair<std::string, Region>>& regions) {
    Results made = results;
    made.classifier.clear();
    made.positive.clear();
    for (const auto& [name, region] : regions) {
        made.classifier.push_back(name);
        for (int64_t r = 0; r < results.repeats; ++r) {
            for (int64_t v = 0; v < results.variants(); ++v) {
                const double g = results.init[static_cast<std::size_t>(v)];
                for (int64_t e = 0; e < results.epochs(); ++e) {
                    const int64_t call = results.call(ellipse, r, v, e);
                    made.positive.push_back(call < 0 ? -1 : region(call == 1, g > g_low && g < g_high));
                }
            }
        }
    }
    forget_boundaries(made);
    return made;
}

std::string share_and_count(const Summary& summary, int64_t inside) {
    return inside == 0 ? "none" : mean_and_deviation(summary.precision) + " of " + std::to_string(inside);
}

}  // namespace

std::string by_rule(const Results& results, const std::string& classifier) {
    const std::string median = classifier + "-median";
    return results.boundary_rule == "median" && results.find_classifier(median) >= 0 ? median : classifier;
}

Results by_own_architecture(const Results& results) {
    Results made = results;
    made.label = results.control_label;
    made.positive = results.control_positive;
    forget_boundaries(made);
    return made;
}

Results on_left_out(const Results& results) {
    Results made = results;
    made.repeats = static_cast<int64_t>(results.held_out.size());
    made.split = results.held_out_split;
    made.spectrum_split.clear();
    made.positive = results.held_out_positive;
    forget_boundaries(made);
    return made;
}

ShownTable ellipse_table(const Results& results) {
    ShownTable table{"hyperellipse", "Hyperellipse in the AeLLE plane: share of good test networks inside, of how many (all splits together)", {}, {}, ""};
    const int64_t ellipse = results.find_classifier("aelle-ellipse");
    if (ellipse < 0) return table;
    std::vector<std::pair<std::string, Region>> regions{{"all (base rate)", [](bool, bool) { return true; }},
                                                        {"in the ellipse", [](bool inside, bool) { return inside; }}};
    if (results.task == "signal") {
        regions.push_back({"1.2 < g < 1.5", [](bool, bool range) { return range; }});
        regions.push_back({"both", [](bool inside, bool range) { return inside && range; }});
        regions.push_back({"ellipse only (non-trivial good)", [](bool inside, bool range) { return inside && !range; }});
        regions.push_back({"range only (non-trivial bad)", [](bool inside, bool range) { return !inside && range; }});
    }
    const Scores scores = score_classifiers(as_classifiers(results, ellipse, regions));
    table.csv = "region,epoch,inside,good,precision_mean,precision_sd,networks_low,networks_high,splits_low,splits_high,recall_mean,recall_sd,f1_mean,f1_sd,test_spectra\n";
    table.rows = {{"region"}};
    for (const int64_t epoch : results.epoch) table.rows[0].push_back("epoch " + std::to_string(epoch));
    for (std::size_t i = 0; i < regions.size(); ++i) {
        std::vector<std::string> cells{regions[i].first};
        for (int64_t e = 0; e < results.epochs(); ++e) {
            const auto at = static_cast<int64_t>(i) * results.epochs() + e;
            const Summary& summary = scores.summary[static_cast<std::size_t>(at)];
            const ScoreRow& all = scores.rows[static_cast<std::size_t>((at + 1) * (results.repeats + 1) - 1)];
            cells.push_back(share_and_count(summary, all.tp + all.fp));
            table.csv += csv_line({csv_text(regions[i].first), std::to_string(results.epoch[static_cast<std::size_t>(e)]), std::to_string(all.tp + all.fp),
                                   std::to_string(all.tp), csv_real(summary.precision.mean), csv_real(summary.precision.deviation),
                                   csv_real(summary.precision.low), csv_real(summary.precision.high), csv_real(summary.precision.split_low),
                                   csv_real(summary.precision.split_high), csv_real(summary.recall.mean),
                                   csv_real(summary.recall.deviation), csv_real(summary.f1.mean), csv_real(summary.f1.deviation), std::to_string(all.n)});
        }
        table.rows.push_back(std::move(cells));
    }
    table.notes.push_back("Ellipse: mean and covariance of good training networks in (PC1, PC2), size by best F1; the paper names one and defines none. A split with none "
                          "inside counts as 0.");
    return table;
}

ShownTable architecture_control_table(const Results& results) {
    ShownTable table{"control_architecture", "Control: good = loss below the median of the own architecture (F1)", {}, {}, ""};
    if (results.control_label.empty()) return table;
    const Scores scores = score_classifiers(by_own_architecture(results));
    table.csv = "classifier,epoch,metric,mean,sd,networks_low,networks_high,splits_low,splits_high,test_spectra\n";
    table.rows = {{"classifier"}};
    for (const int64_t epoch : results.epoch) table.rows[0].push_back("epoch " + std::to_string(epoch));
    for (const Summary& summary : scores.summary) {
        const std::string& name = results.classifier[static_cast<std::size_t>(summary.classifier)];
        if (summary.epoch == 0) table.rows.push_back({name});
        table.rows.back().push_back(mean_and_deviation(summary.f1));
        if (summary.n == 0) continue;
        for (const auto& [metric, spread] : metrics_of(summary)) {
            table.csv += csv_line({csv_text(name), std::to_string(results.epoch[static_cast<std::size_t>(summary.epoch)]), metric, csv_real(spread->mean),
                                   csv_real(spread->deviation), csv_real(spread->low), csv_real(spread->high), csv_real(spread->split_low),
                                   csv_real(spread->split_high), std::to_string(summary.n)});
        }
    }
    table.notes.push_back("The same models as above; boundaries, regressions and neighbours are fitted anew to these labels.");
    return table;
}

ShownTable left_out_table(const Results& results) {
    ShownTable table{"control_left_out", "", {}, {}, ""};
    if (results.held_out.empty()) return table;
    const Scores scores = score_classifiers(on_left_out(results));
    const int64_t last = results.epochs() - 1;
    table.title = "Control: one architecture left out of training and tested on (F1 after epoch " +
                  std::to_string(results.epoch[static_cast<std::size_t>(last)]) + ")";
    table.csv = "classifier,epoch,cell,n,tp,fp,fn,precision,recall,f1,f1_low,f1_high,accuracy\n";
    table.rows = {{"classifier"}};
    for (const std::string& cell : results.held_out) table.rows[0].push_back(cell);
    table.rows[0].push_back("mean");
    for (const ScoreRow& row : scores.rows) {
        const std::string& name = results.classifier[static_cast<std::size_t>(row.classifier)];
        if (row.epoch == last && row.repeat == 0) table.rows.push_back({name});
        // A score with denominator zero is 0 in the mean; here it has none.
        if (row.epoch == last) table.rows.back().push_back(fixed(row.f1));
        if (row.n == 0) continue;
        const std::string cell = row.repeat == all_repeats ? "mean" : results.held_out[static_cast<std::size_t>(row.repeat)];
        table.csv += csv_line({csv_text(name), std::to_string(results.epoch[static_cast<std::size_t>(row.epoch)]), csv_text(cell), std::to_string(row.n),
                               std::to_string(row.tp), std::to_string(row.fp), std::to_string(row.fn), csv_real(row.precision), csv_real(row.recall),
                               csv_real(row.f1), csv_real(row.f1_low), csv_real(row.f1_high), csv_real(row.accuracy)});
    }
    table.notes.push_back("-: undefined (no good network of that architecture, and none called good), 0 in the mean.");
    return table;
}

}  // namespace aelle::report
