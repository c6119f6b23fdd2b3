#pragma once
/// Scores of classifiers on test variants, with their spread and bootstrap intervals.
///
/// Scores are of test variants only. With tp, fp, fn, tn counted on them: precision = tp / (tp + fp), recall = tp / (tp + fn),
/// F1 = 2 tp / (2 tp + fp + fn), accuracy = (tp + tn) / n; where the denominator is zero, NaN in a repeat's own row and 0 in every mean.
///
/// Intervals are percentile bootstrap intervals over networks (95 %): variants are drawn with replacement `bootstrap_draws` times, and every
/// score is taken anew on the test variants drawn, models and splits fixed. A draw for all repeats gives the mean over repeats, so that
/// the interval of the mean respects that splits share networks. They hold the uncertainty from which networks were sampled, not that of
/// training the classifiers anew.

#include <cstdint>
#include <limits>
#include <vector>

#include "aelle/report/results.hpp"

namespace aelle::report {

inline constexpr int64_t bootstrap_draws = 1000;
inline constexpr int64_t all_repeats = -1;

/// One classifier at one epoch on the test variants of one repeat; or of all repeats: counts summed, scores averaged,
/// boundary NaN.
struct ScoreRow {
    int64_t classifier = 0;  ///< index
    int64_t epoch = 0;       ///< index
    int64_t repeat = all_repeats;
    int64_t n = 0, tp = 0, fp = 0, fn = 0;
    double precision = 0, recall = 0, f1 = 0, f1_low = 0, f1_high = 0, accuracy = 0, boundary = 0;
};

/// Mean and sample standard deviation over repeats (NaN for one repeat), with 95 % bootstrap intervals of the mean over networks and over repeats where they
/// were taken (otherwise NaN).
struct Spread {
    double mean = 0, deviation = 0;
    double low = std::numeric_limits<double>::quiet_NaN(), high = std::numeric_limits<double>::quiet_NaN();              ///< over networks
    double split_low = std::numeric_limits<double>::quiet_NaN(), split_high = std::numeric_limits<double>::quiet_NaN();  ///< over repeats
};

Spread spread_of(const std::vector<double>& values);

inline constexpr int64_t early_epochs = -1;

struct Summary {
    int64_t classifier = 0, epoch = 0;  ///< indices; epoch may be `early_epochs`
    int64_t n = 0;                      ///< test spectra judged, of all repeats; without any, every score is NaN
    Spread f1, precision, recall, accuracy;
    std::vector<double> f1_of_repeat;  ///< (R)
};

struct Scores {
    std::vector<ScoreRow> rows;    ///< by classifier, epoch, repeat; `all` after the last repeat
    std::vector<Summary> summary;  ///< by classifier, epoch
    std::vector<Summary>
        early;  ///< by classifier, spectra of all epochs up to half of the training together; empty with fewer than two such epochs
    int64_t undefined = 0;  ///< scores of repeats with denominator zero
};

Scores score_classifiers(const Results& results);

/// F1 of every repeat with test spectra; 0 where the denominator is.
std::vector<double> f1_of_repeats(const Results& results, int64_t classifier, int64_t epoch);

/// Summaries at one epoch index with test spectra, best mean F1 first; ties in the order of the analysis.
std::vector<Summary> ranked(const Scores& scores, int64_t epoch);

}  // namespace aelle::report
