// Scores of test variants and their bootstrap intervals.

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "aelle/base/random.hpp"
#include "aelle/embed/scores.hpp"
#include "aelle/report/tables.hpp"

namespace aelle::report {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// How often each variant was drawn: (draws, V).
using DrawCounts = std::vector<int32_t>;

DrawCounts draw_variants(const Results& results) {
    std::vector<int64_t> scored;  // in the test split of some repeat
    for (int64_t v = 0; v < results.variants(); ++v) {
        bool tested = false;
        for (int64_t r = 0; r < results.repeats && !tested; ++r) tested = results.split_of(r, v) == 2;
        if (tested) scored.push_back(v);
    }
    DrawCounts counts(static_cast<std::size_t>(bootstrap_draws * results.variants()));
    for (int64_t draw = 0; draw < bootstrap_draws && !scored.empty(); ++draw) {
        RandomStream stream(static_cast<uint64_t>(results.seed), static_cast<uint64_t>(draw), Purpose::bootstrap);
        for (std::size_t i = 0; i < scored.size(); ++i) {
            const int64_t v = scored[static_cast<std::size_t>(stream.below(static_cast<int64_t>(scored.size())))];
            ++counts[static_cast<std::size_t>(draw * results.variants() + v)];
        }
    }
    return counts;
}

/// F1 of every draw on one repeat; 0 where a draw holds no variant that is good or called good.
std::vector<double> drawn_scores(const Results& results, const DrawCounts& counts, int64_t c, int64_t r, int64_t e) {
    std::vector<int64_t> right, wrong;  // variants that are true positives; false positives or false negatives
    for (int64_t v = 0; v < results.variants(); ++v) {
        if (!results.is_tested(r, v, e)) continue;
        const bool called = results.call(c, r, v, e) == 1;
        const bool good = results.is_good(v);
        if (called && good) right.push_back(v);
        if (called != good) wrong.push_back(v);
    }
    std::vector<double> scores(static_cast<std::size_t>(bootstrap_draws));
    for (int64_t draw = 0; draw < bootstrap_draws; ++draw) {
        const int32_t* drawn = counts.data() + draw * results.variants();
        int64_t tp = 0, errors = 0;
        for (const int64_t v : right) tp += drawn[v];
        for (const int64_t v : wrong) errors += drawn[v];
        // which error is which does not matter to F1
        scores[static_cast<std::size_t>(draw)] = embed::scores({tp, errors, 0, 0}).f1;
    }
    return scores;
}

/// Percentile with linear interpolation between order statistics.
double percentile(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    const double position = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

embed::Outcomes outcomes_of(const Results& results, int64_t c, int64_t r, int64_t e) {
    std::vector<uint8_t> called, good;
    for (int64_t v = 0; v < results.variants(); ++v) {
        if (!results.is_tested(r, v, e)) continue;
        called.push_back(results.call(c, r, v, e) == 1);
        good.push_back(results.is_good(v));
    }
    return embed::count_outcomes(called, good);
}

/// Scores whose denominator is zero are 0 in every mean, but no number in their own row.
ScoreRow score_row(const embed::Outcomes& outcomes, const embed::Scores& scores) {
    ScoreRow row;
    row.n = outcomes.count();
    row.tp = outcomes.tp;
    row.fp = outcomes.fp;
    row.fn = outcomes.fn;
    row.precision = row.tp + row.fp > 0 ? scores.precision : nan;
    row.recall = row.tp + row.fn > 0 ? scores.recall : nan;
    row.f1 = row.tp + row.fp + row.fn > 0 ? scores.f1 : nan;
    row.accuracy = row.n > 0 ? scores.accuracy : nan;
    return row;
}

/// The repeats of one classifier and epoch, then all of them together.
void score_one(const Results& results, const DrawCounts& counts, int64_t c, int64_t e, Scores& scores) {
    Summary summary;
    std::vector<double> precision, recall, accuracy, mean_of_draw(static_cast<std::size_t>(bootstrap_draws));
    embed::Outcomes sum;
    for (int64_t r = 0; r < results.repeats; ++r) {
        const embed::Outcomes outcomes = outcomes_of(results, c, r, e);
        const embed::Scores score = embed::scores(outcomes);
        const std::vector<double> drawn = drawn_scores(results, counts, c, r, e);
        for (std::size_t draw = 0; draw < drawn.size(); ++draw) mean_of_draw[draw] += drawn[draw] / static_cast<double>(results.repeats);
        ScoreRow row = score_row(outcomes, score);
        row.classifier = c;
        row.epoch = e;
        row.repeat = r;
        row.f1_low = percentile(drawn, 0.025);
        row.f1_high = percentile(drawn, 0.975);
        row.boundary = results.boundary[results.at(c, r, e)];
        scores.rows.push_back(row);
        scores.undefined += score.undefined;
        sum = {sum.tp + outcomes.tp, sum.fp + outcomes.fp, sum.fn + outcomes.fn, sum.tn + outcomes.tn};
        summary.f1_of_repeat.push_back(score.f1);
        precision.push_back(score.precision);
        recall.push_back(score.recall);
        accuracy.push_back(score.accuracy);
    }
    summary.classifier = c;
    summary.epoch = e;
    summary.f1 = spread_of(summary.f1_of_repeat);
    summary.precision = spread_of(precision);
    summary.recall = spread_of(recall);
    summary.accuracy = spread_of(accuracy);
    summary.f1_low = percentile(mean_of_draw, 0.025);
    summary.f1_high = percentile(mean_of_draw, 0.975);
    ScoreRow all{c,
                 e,
                 all_repeats,
                 sum.count(),
                 sum.tp,
                 sum.fp,
                 sum.fn,
                 summary.precision.mean,
                 summary.recall.mean,
                 summary.f1.mean,
                 summary.f1_low,
                 summary.f1_high,
                 summary.accuracy.mean,
                 nan};
    scores.rows.push_back(all);
    scores.summary.push_back(std::move(summary));
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
    if (values.empty()) return {nan, nan};
    const auto count = static_cast<double>(values.size());
    double sum = 0, squares = 0;
    for (const double value : values) sum += value;
    const double mean = sum / count;
    for (const double value : values) squares += (value - mean) * (value - mean);
    return {mean, values.size() > 1 ? std::sqrt(squares / (count - 1.0)) : nan};
}

Scores score_classifiers(const Results& results) {
    const DrawCounts counts = draw_variants(results);
    Scores scores;
    for (int64_t c = 0; c < results.classifiers(); ++c) {
        for (int64_t e = 0; e < results.epochs(); ++e) score_one(results, counts, c, e, scores);
    }
    return scores;
}

std::vector<Summary> ranked(const Scores& scores, int64_t epoch) {
    std::vector<Summary> chosen;
    for (const Summary& summary : scores.summary) {
        if (summary.epoch == epoch) chosen.push_back(summary);
    }
    std::stable_sort(chosen.begin(), chosen.end(), [](const Summary& a, const Summary& b) { return a.f1.mean > b.f1.mean; });
    return chosen;
}

}  // namespace aelle::report
