#include "interpretation_tables.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "aelle/base/text.hpp"
#include "aelle/embed/scores.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

constexpr std::size_t latent_rows = 8;  ///< dimensions shown; the CSV file has all

struct Number {
    const char* name;
    const char* classifier;  ///< that decides on it
    bool has_sign;           ///< false: an axis, whose direction means nothing
};

constexpr Number numbers[] = {
    {"AeLLE, predicted loss", "aelle-prediction", true},
    {"AeLLE, PC1", "aelle-pc1", false},
    {"LE mean", "le-mean", true},
    {"LE max", "le-max", true},
    {"LE std", "le-std", true},
    {"Kaplan-Yorke dimension", "le-kaplan-yorke", true},
    {"LE PC1", "le-pc1", false},
    {"initialisation parameter", "init", true},
    {"loss then", "epoch-loss", true},
};

/// Over test networks of one repeat that the classifier judges; NaN for fewer than three.
double correlation(const Results& results, int64_t c, int64_t r, int64_t e) {
    std::vector<double> score, loss;
    for (int64_t v = 0; v < results.variants(); ++v) {
        if (!results.is_judged(c, r, v, e)) continue;
        const double final_loss = results.loss[static_cast<std::size_t>(v)];
        score.push_back(results.score[results.at(c, r, v, e)]);
        loss.push_back(std::isnan(final_loss) ? std::numeric_limits<double>::infinity() : final_loss);
    }
    return score.size() < 3 ? std::nan("") : embed::spearman(score, loss);
}

/// Of the changes that steps along the predictor's direction ask for.
std::string step_unit(const Results& results) {
    const bool log = results.option("target", "log") == "log";
    if (results.option("standardise", "1") == "1")
        return "standard deviations of the training networks' " + std::string(log ? "log losses" : "losses");
    return log ? "units of the loss's natural logarithm" : "units of the loss";
}

}  // namespace

std::string below_zero_note(const Results& results) {
    const Direction& direction = results.direction;
    const auto below = [](const std::vector<double>& losses) {
        return std::any_of(losses.begin(), losses.end(), [](double loss) { return loss < 0.0; });
    };
    if (!below(direction.prediction) && !below(direction.encoded)) return "";
    return "The predictor is linear in the loss (target = \"raw\") and unbounded: a predicted loss below 0 is no loss that a network can "
           "have.";
}

ShownTable spearman_table(const Results& results) {
    ShownTable table{"spearman",
                     "Spearman's rank correlation with the final loss, test networks",
                     {{"correlation of"}},
                     {},
                     "number,classifier,epoch,mean,sd,splits\n"};
    if (results.score.empty()) return table;
    for (const int64_t epoch : results.epoch) table.rows[0].push_back("epoch " + std::to_string(epoch));
    for (const Number& number : numbers) {
        const int64_t c = results.find_classifier(number.classifier);
        if (c < 0) continue;
        std::vector<std::string> row{number.name};
        for (int64_t e = 0; e < results.epochs(); ++e) {
            std::vector<double> of_repeat;
            for (int64_t r = 0; r < results.repeats; ++r) {
                const double value = correlation(results, c, r, e);
                if (!std::isnan(value)) of_repeat.push_back(number.has_sign ? value : std::fabs(value));
            }
            const Spread spread = spread_of(of_repeat);
            row.push_back(mean_and_deviation(spread));
            table.csv += csv_line({csv_text(number.name), number.classifier, std::to_string(results.epoch[static_cast<std::size_t>(e)]),
                                   csv_real(spread.mean), csv_real(spread.deviation), std::to_string(of_repeat.size())});
        }
        table.rows.push_back(std::move(row));
    }
    table.notes.push_back(
        "Mean ± standard deviation over splits; of components, whose direction means nothing, the magnitude. Diverged networks rank as the "
        "worst.");
    return table;
}

ShownTable latent_table(const Results& results) {
    ShownTable table{"latent",
                     "Latent dimensions and what each adds to the predicted loss (first split)",
                     {{"dimension", "share of the predictions' variance", "weight", "standard deviation"}},
                     {},
                     "dimension,weight,deviation,share\n"};
    const Direction& direction = results.direction;
    std::vector<std::size_t> order(direction.share.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return std::fabs(direction.share[a]) > std::fabs(direction.share[b]); });
    double others = 0.0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        const std::size_t d = order[i];
        table.csv +=
            csv_line({std::to_string(d), csv_real(direction.weight[d]), csv_real(direction.deviation[d]), csv_real(direction.share[d])});
        if (i < latent_rows) {
            table.rows.push_back({std::to_string(d), fixed(100.0 * direction.share[d], 1) + " %", rounded(direction.weight[d], 3),
                                  rounded(direction.deviation[d], 3)});
        } else {
            others += direction.share[d];
        }
    }
    if (order.size() > latent_rows)
        table.rows.push_back(
            {counted(static_cast<int64_t>(order.size() - latent_rows), "other", "others"), fixed(100.0 * others, 1) + " %", "", ""});
    return table;
}

ShownTable direction_table(const Results& results) {
    ShownTable table{"direction",
                     "Spectra decoded along the predictor's direction, from the mean training network (first split)",
                     {{"step", "predicted loss", "of the decoded spectrum", "mean exponent", "largest exponent"}},
                     {},
                     "step,predicted_loss,encoded_predicted_loss,exponent_mean,exponent_max\n"};
    const Direction& direction = results.direction;
    for (std::size_t s = 0; s < direction.shift.size(); ++s) {
        const auto first = direction.spectrum.begin() + static_cast<std::ptrdiff_t>(s) * direction.length;
        const double mean = std::accumulate(first, first + direction.length, 0.0) / static_cast<double>(direction.length);
        const double largest = *std::max_element(first, first + direction.length);
        table.rows.push_back({fixed(direction.shift[s], 1), rounded(direction.prediction[s], 3), rounded(direction.encoded[s], 3),
                              rounded(mean, 3), rounded(largest, 3)});
        table.csv += csv_line({csv_real(direction.shift[s]), csv_real(direction.prediction[s]), csv_real(direction.encoded[s]),
                               csv_real(mean), csv_real(largest)});
    }
    table.notes.push_back("Step: asked change of the prediction in " + step_unit(results) +
                          "; negative is better. Third column: what the autoencoder predicts for the decoded spectrum itself; where it "
                          "does not follow the second, the decoded change is not one that spectra make. Exponents in " +
                          exponent_unit(results) + ".");
    const std::string below_zero = below_zero_note(results);
    if (!below_zero.empty()) table.notes.push_back(below_zero);
    return table;
}

}  // namespace aelle::report
