#include "aelle/embed/scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "aelle/base/error.hpp"

namespace aelle::embed {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Compares F1, then accuracy, in integers, so that rounding decides no tie.
bool better(const Outcomes& a, const Outcomes& b) {
    const auto parts = [](const Outcomes& o) { return std::pair{2 * o.tp, std::max<int64_t>(1, 2 * o.tp + o.fp + o.fn)}; };
    const auto [a_part, a_whole] = parts(a);
    const auto [b_part, b_whole] = parts(b);
    if (a_part * b_whole != b_part * a_whole) return a_part * b_whole > b_part * a_whole;
    return a.tp + a.tn > b.tp + b.tn;
}

/// A number m with a <= m < b.
double between(double a, double b) {
    const double middle = a + 0.5 * (b - a);
    return middle < b ? middle : a;
}

std::vector<double> ranks(std::span<const double> values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    std::vector<double> rank(values.size());
    for (std::size_t first = 0; first < order.size();) {
        std::size_t end = first + 1;
        while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
        for (std::size_t i = first; i < end; ++i) rank[order[i]] = 0.5 * static_cast<double>(first + end - 1);
        first = end;
    }
    return rank;
}

}  // namespace

Outcomes count_outcomes(std::span<const uint8_t> predicted, std::span<const uint8_t> label) {
    require(predicted.size() == label.size(), "as many predictions as labels");
    Outcomes outcomes;
    for (std::size_t i = 0; i < label.size(); ++i) {
        if (predicted[i]) ++(label[i] ? outcomes.tp : outcomes.fp);
        else ++(label[i] ? outcomes.fn : outcomes.tn);
    }
    return outcomes;
}

Scores scores(const Outcomes& outcomes) {
    Scores result;
    const auto ratio = [&](int64_t part, int64_t whole) {
        if (whole == 0) ++result.undefined;
        return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
    };
    result.precision = ratio(outcomes.tp, outcomes.tp + outcomes.fp);
    result.recall = ratio(outcomes.tp, outcomes.tp + outcomes.fn);
    result.f1 = ratio(2 * outcomes.tp, 2 * outcomes.tp + outcomes.fp + outcomes.fn);
    result.accuracy = ratio(outcomes.tp + outcomes.tn, outcomes.count());
    return result;
}

double median(std::span<const double> values) {
    if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
    std::vector<double> sorted(values.begin(), values.end());
    for (double& value : sorted) {
        if (std::isnan(value)) value = infinity;
    }
    std::sort(sorted.begin(), sorted.end());
    const std::size_t half = sorted.size() / 2;
    if (sorted.size() % 2 == 1) return sorted[half];
    const double low = sorted[half - 1], high = sorted[half];
    return low == high || std::isinf(low) || std::isinf(high) ? high : low + 0.5 * (high - low);
}

Threshold best_f1_threshold(std::span<const double> values, std::span<const uint8_t> label, Side allowed) {
    require(values.size() == label.size(), "as many values as labels");
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    const auto count = static_cast<int64_t>(values.size());
    const auto positives = static_cast<int64_t>(std::count_if(label.begin(), label.end(), [](uint8_t l) { return l != 0; }));

    Threshold best;
    Outcomes best_outcomes;
    for (const int side : {1, -1}) {
        if ((side > 0 && allowed == Side::below) || (side < 0 && allowed == Side::above)) continue;
        int64_t below = 0, positives_below = 0;  // the cut
        while (true) {
            const bool first = below == 0, last = below == count;
            const double boundary = first ? -infinity : last ? infinity
                : between(values[order[static_cast<std::size_t>(below - 1)]], values[order[static_cast<std::size_t>(below)]]);
            const int64_t tp = side > 0 ? positives - positives_below : positives_below;
            const int64_t called = side > 0 ? count - below : below;
            const Outcomes outcomes{tp, called - tp, positives - tp, count - positives - (called - tp)};
            if (best.side == 0 || better(outcomes, best_outcomes)) {
                best = {boundary, side};
                best_outcomes = outcomes;
            }
            if (last) break;
            const double value = values[order[static_cast<std::size_t>(below)]];
            while (below < count && values[order[static_cast<std::size_t>(below)]] == value) {
                positives_below += label[order[static_cast<std::size_t>(below)]] != 0;
                ++below;
            }
        }
    }
    return best;
}

Threshold median_threshold(std::span<const double> values, std::span<const uint8_t> label) {
    const double boundary = median(values);
    Outcomes outcomes[2];
    for (const int side : {1, -1}) {
        std::vector<uint8_t> predicted;
        for (const double value : values) predicted.push_back(Threshold{boundary, side}.positive(value));
        outcomes[side < 0] = count_outcomes(predicted, label);
    }
    return {boundary, better(outcomes[1], outcomes[0]) ? -1 : 1};
}

double spearman(std::span<const double> a, std::span<const double> b) {
    require(a.size() == b.size(), "as many values on both sides");
    const std::vector<double> x = ranks(a), y = ranks(b);
    const double centre = 0.5 * (static_cast<double>(x.size()) - 1.0);  // the mean of all ranks, ties or not
    double xx = 0.0, yy = 0.0, xy = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        xx += (x[i] - centre) * (x[i] - centre);
        yy += (y[i] - centre) * (y[i] - centre);
        xy += (x[i] - centre) * (y[i] - centre);
    }
    return xx > 0.0 && yy > 0.0 ? xy / std::sqrt(xx * yy) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace aelle::embed
