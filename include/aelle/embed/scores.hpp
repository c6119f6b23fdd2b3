#pragma once
/// Scores of boolean predictions. Positive = high accuracy = loss below the threshold, strictly.

#include <cstdint>
#include <span>

namespace aelle::embed {

struct Outcomes {
    int64_t tp = 0, fp = 0, fn = 0, tn = 0;

    int64_t count() const { return tp + fp + fn + tn; }
};

/// Both (n): 1 = positive.
Outcomes count_outcomes(std::span<const uint8_t> predicted, std::span<const uint8_t> label);

/// precision = tp / (tp + fp), recall = tp / (tp + fn), F1 = 2 tp / (2 tp + fp + fn), accuracy = (tp + tn) / n. A score with denominator zero is
/// 0 and is counted in `undefined`, so that callers can warn.
struct Scores {
    double precision = 0.0, recall = 0.0, f1 = 0.0, accuracy = 0.0;
    int64_t undefined = 0;
};

Scores scores(const Outcomes& outcomes);

/// Median, of an even number the mean of the middle two; NaN for none. NaN values count as +inf: a diverged network is worse than any other.
double median(std::span<const double> values);

/// Spearman's rank correlation: Pearson's of the ranks, equal values (infinities too) with the mean of their ranks. NaN where one side is constant.
double spearman(std::span<const double> a, std::span<const double> b);

/// A decision on one number: positive when value > boundary (side +1) or value <= boundary (side -1). side 0 means that there is no boundary
/// (NaN) and the decision is made otherwise.
struct Threshold {
    double boundary = 0.0;
    int side = 0;

    bool positive(double value) const { return side > 0 ? value > boundary : side < 0 && value <= boundary; }
};

enum class Side { either, above, below };  ///< which sides a fit may choose from

/// The threshold with the best F1 on these values, by exact scan over all cuts between distinct sorted values (boundaries midway between them; -inf and
/// +inf are cuts too: everything on one side). Of equal F1 the better accuracy, then side above, then the lower boundary. Values are finite.
Threshold best_f1_threshold(std::span<const double> values, std::span<const uint8_t> label, Side allowed = Side::either);

/// Boundary at the median of the values, on the side with the better F1 (of equal ones: above).
Threshold median_threshold(std::span<const double> values, std::span<const uint8_t> label);

}  // namespace aelle::embed
