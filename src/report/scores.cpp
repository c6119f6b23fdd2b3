#include "aelle/report/scores.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "aelle/base/random.hpp"
#include "aelle/embed/scores.hpp"

namespace aelle::report {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// How often each variant was drawn: (draws, V).
using DrawCounts = std::vector<int32_t>;

DrawCounts draw_variants(const Results& results) {
    std::vector<int64_t> scored;  // in the test split of some repeat
    for (int64_t v = 0; v < results.variants(); ++v) {
        bool tested = false;
        for (int64_t r = 0; r < results.repeats && !tested; ++r) {
            for (int64_t e = 0; e < results.epochs() && !tested; ++e) tested = results.split_of(r, v, e) == 2;
        }
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

/// A test spectrum that a classifier judged.
struct Judged {
    int64_t variant = 0;
    bool called = false, good = false;
};

std::vector<Judged> judged_spectra(const Results& results, int64_t c, int64_t r, const std::vector<int64_t>& epochs) {
    std::vector<Judged> judged;
    for (int64_t v = 0; v < results.variants(); ++v) {
        for (const int64_t e : epochs) {
            if (results.is_judged(c, r, v, e)) judged.push_back({v, results.call(c, r, v, e) == 1, results.is_good(v)});
        }
    }
    return judged;
}

void count_one(embed::Outcomes& outcomes, const Judged& one, int64_t times) {
    (one.called ? (one.good ? outcomes.tp : outcomes.fp) : (one.good ? outcomes.fn : outcomes.tn)) += times;
}

/// F1, precision, recall, accuracy.
constexpr std::size_t metrics = 4;
using Values = std::array<double, metrics>;
Values values_of(const embed::Scores& scores) { return {scores.f1, scores.precision, scores.recall, scores.accuracy}; }

/// Scores of every draw on one repeat; 0 where a draw leaves a denominator zero.
std::vector<Values> drawn_scores(const Results& results, const DrawCounts& counts, const std::vector<Judged>& judged) {
    std::vector<Values> scores;
    for (int64_t draw = 0; draw < bootstrap_draws; ++draw) {
        const int32_t* drawn = counts.data() + draw * results.variants();
        embed::Outcomes outcomes;
        for (const Judged& one : judged) count_one(outcomes, one, drawn[one.variant]);
        scores.push_back(values_of(embed::scores(outcomes)));
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

/// Interval of the mean over repeats, repeats drawn with replacement.
void interval_over_repeats(const std::vector<double>& values, uint64_t seed, Spread& spread) {
    if (values.size() < 2) return;
    std::vector<double> means;
    for (int64_t draw = 0; draw < bootstrap_draws; ++draw) {
        RandomStream stream(seed, static_cast<uint64_t>(bootstrap_draws + draw), Purpose::bootstrap);
        double sum = 0.0;
        for (std::size_t i = 0; i < values.size(); ++i) sum += values[static_cast<std::size_t>(stream.below(static_cast<int64_t>(values.size())))];
        means.push_back(sum / static_cast<double>(values.size()));
    }
    spread.split_low = percentile(means, 0.025);
    spread.split_high = percentile(std::move(means), 0.975);
}

embed::Outcomes outcomes_of(const std::vector<Judged>& judged) {
    embed::Outcomes outcomes;
    for (const Judged& one : judged) count_one(outcomes, one, 1);
    return outcomes;
}

/// One classifier on some epochs: its row of every repeat, and all repeats together.
struct Scored {
    std::vector<ScoreRow> rows;
    Summary summary;
    int64_t undefined = 0;
};

void summarise(const std::vector<Values>& of_repeat, const std::vector<Values>& mean_of_draw, uint64_t seed, Summary& summary) {
    const std::array<Spread*, metrics> spreads{&summary.f1, &summary.precision, &summary.recall, &summary.accuracy};
    for (std::size_t m = 0; m < metrics; ++m) {
        std::vector<double> values, drawn;
        for (const Values& one : of_repeat) values.push_back(one[m]);
        for (const Values& one : mean_of_draw) drawn.push_back(one[m]);
        if (m == 0) summary.f1_of_repeat = values;
        *spreads[m] = summary.n > 0 ? spread_of(values) : Spread{nan, nan};
        if (summary.n == 0) continue;
        spreads[m]->low = percentile(drawn, 0.025);
        spreads[m]->high = percentile(drawn, 0.975);
        interval_over_repeats(values, seed, *spreads[m]);
    }
}

Scored score_one(const Results& results, const DrawCounts& counts, int64_t c, const std::vector<int64_t>& epochs) {
    Scored scored;
    std::vector<Values> of_repeat, mean_of_draw(static_cast<std::size_t>(bootstrap_draws), Values{});
    for (int64_t r = 0; r < results.repeats; ++r) {
        const std::vector<Judged> judged = judged_spectra(results, c, r, epochs);
        const embed::Outcomes outcomes = outcomes_of(judged);
        const embed::Scores score = embed::scores(outcomes);
        const std::vector<Values> drawn = drawn_scores(results, counts, judged);
        std::vector<double> drawn_f1;
        for (std::size_t draw = 0; draw < drawn.size(); ++draw) {
            drawn_f1.push_back(drawn[draw][0]);
            for (std::size_t m = 0; m < metrics; ++m) mean_of_draw[draw][m] += drawn[draw][m] / static_cast<double>(results.repeats);
        }
        ScoreRow row = score_row(outcomes, score);
        row.classifier = c;
        row.epoch = epochs.back();
        row.repeat = r;
        row.f1_low = judged.empty() ? nan : percentile(drawn_f1, 0.025);
        row.f1_high = judged.empty() ? nan : percentile(drawn_f1, 0.975);
        row.boundary = results.boundary[results.at(c, r, epochs.back())];
        scored.rows.push_back(row);
        scored.undefined += judged.empty() ? 0 : score.undefined;
        scored.summary.n += outcomes.count();
        of_repeat.push_back(values_of(score));
    }
    scored.summary.classifier = c;
    scored.summary.epoch = epochs.back();
    summarise(of_repeat, mean_of_draw, static_cast<uint64_t>(results.seed), scored.summary);
    return scored;
}

/// Counts of all repeats added up, means of the scores.
ScoreRow row_of_all(const std::vector<ScoreRow>& rows, const Summary& summary) {
    ScoreRow all;
    all.classifier = summary.classifier;
    all.epoch = summary.epoch;
    for (const ScoreRow& row : rows) {
        all.n += row.n;
        all.tp += row.tp;
        all.fp += row.fp;
        all.fn += row.fn;
    }
    all.precision = summary.precision.mean;
    all.recall = summary.recall.mean;
    all.f1 = summary.f1.mean;
    all.f1_low = summary.f1.low;
    all.f1_high = summary.f1.high;
    all.accuracy = summary.accuracy.mean;
    all.boundary = nan;
    return all;
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
    std::vector<int64_t> early;
    for (int64_t e = 0; e < results.epochs(); ++e) {
        if (results.percent(e) <= 50.0) early.push_back(e);
    }
    Scores scores;
    for (int64_t c = 0; c < results.classifiers(); ++c) {
        for (int64_t e = 0; e < results.epochs(); ++e) {
            Scored scored = score_one(results, counts, c, {e});
            scores.rows.insert(scores.rows.end(), scored.rows.begin(), scored.rows.end());
            scores.rows.push_back(row_of_all(scored.rows, scored.summary));
            scores.summary.push_back(std::move(scored.summary));
            scores.undefined += scored.undefined;
        }
        if (early.size() < 2) continue;
        scores.early.push_back(score_one(results, counts, c, early).summary);
        scores.early.back().epoch = early_epochs;
    }
    return scores;
}

std::vector<double> f1_of_repeats(const Results& results, int64_t classifier, int64_t epoch) {
    std::vector<double> values;
    for (int64_t r = 0; r < results.repeats; ++r) {
        const std::vector<Judged> judged = judged_spectra(results, classifier, r, {epoch});
        if (!judged.empty()) values.push_back(embed::scores(outcomes_of(judged)).f1);
    }
    return values;
}

std::vector<Summary> ranked(const Scores& scores, int64_t epoch) {
    std::vector<Summary> chosen;
    for (const Summary& summary : scores.summary) {
        if (summary.epoch == epoch && summary.n > 0) chosen.push_back(summary);
    }
    std::stable_sort(chosen.begin(), chosen.end(), [](const Summary& a, const Summary& b) { return a.f1.mean > b.f1.mean; });
    return chosen;
}

}  // namespace aelle::report
