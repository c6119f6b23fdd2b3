#pragma once
/// What classifiers share: rows, thresholds on a score, features by network.

#include <functional>
#include <vector>

#include "aelle/embed/classifiers.hpp"
#include "aelle/embed/scores.hpp"

namespace aelle::embed {

inline uint8_t label_of(const Features& f, int64_t row) { return f.label[static_cast<std::size_t>(f.variant_of(row))]; }

/// Usable rows that a predicate wants, ascending.
std::vector<int64_t> select_rows(const Features& f, const std::function<bool(int64_t)>& wanted);

/// Training or validation: rows whose label a classifier may know.
bool is_known(const Features& f, int64_t row);
bool is_fitted_epoch(const Features& f, int64_t row);

/// Usable rows that choose the boundary of epoch index e; those of the fitted epochs where e has none of its own.
std::vector<int64_t> boundary_rows_of_epoch(const Features& f, int64_t e);

/// Leading `count` features (count x rows.size()) of some rows.
Matrix<double> leading_features(const Matrix<double>& features, int64_t count, const std::vector<int64_t>& rows);

/// Row `index` of a feature matrix; zeros when it has none.
std::vector<double> component(const Matrix<double>& features, int64_t index);

/// A feature of networks as one of spectra.
std::vector<double> by_row(const Features& f, const std::vector<double>& of_variant);

using FitThreshold = std::function<Threshold(const std::vector<double>& values, const std::vector<uint8_t>& labels)>;

/// One threshold for all epochs from the fitted ones, or one for each epoch.
Judgement judge(const Features& f, std::vector<double> score, BoundaryEpochs epochs, const FitThreshold& fit);

/// One threshold on the score, with the best F1.
Judgement by_best(const Features& f, std::vector<double> score, Side side = Side::either);

/// The score's median as threshold; [P]'s rule, with the median of training and validation networks in place of the shown ones'.
Judgement by_median(const Features& f, std::vector<double> score);

/// Positive above a given boundary.
Judgement by_fixed(const Features& f, std::vector<double> score, double boundary);

// The classifiers that need more than a threshold; `cells.md` 4 where not said otherwise.

/// Least squares with penalty of label or scaled loss on the leading `count` features (classifiers_fitted.cpp).
Judgement regress(const Features& f, const Matrix<double>& features, int64_t count);
Judgement regress_components(const Features& f, const Matrix<double>& features);
/// Logistic regression on p, ln p (where all are positive), ln of the size, and architecture; `interaction`: p and ln p with a slope for each architecture.
Judgement logistic_on_networks(const Features& f, bool interaction);
/// Share of good networks of the own architecture among training networks; of all of them for an unknown one.
Judgement by_architecture(const Features& f);
/// Share of good ones among the 5 nearest known spectra of other networks; positive above one half. Equal distances: lower row first.
Judgement nearest_neighbours(const Features& f, const Matrix<double>& features);
/// (mean, max) of the exponents, each divided by its standard deviation over the training rows.
Matrix<double> scaled_mean_and_maximum(const Features& f);

/// Orthants about the medians of the first `count` components of training rows (fewer where there are fewer): positive where training has more positives
/// than negatives; empty ones are negative. Score: (positives - negatives) / rows of the orthant (classifiers_regions.cpp).
Judgement by_orthants(const Features& f, const Matrix<double>& features, int64_t count);
/// Within k standard deviations, by Mahalanobis distance, of the mean of the positives of training in the first two components; k by best F1. The score is
/// the distance. Our reading of [P], which names a hyperellipse and defines none.
Judgement by_ellipse(const Features& f, const Matrix<double>& features);

/// Boundary on the loss at the spectrum's epoch, one for each epoch, by best F1 (classifiers_regions.cpp).
Judgement by_epoch_loss(const Features& f);
/// Loss at that epoch below the threshold of the label, as [P] did.
Judgement by_epoch_loss_and_final_threshold(const Features& f);

}  // namespace aelle::embed
