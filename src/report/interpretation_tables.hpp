#pragma once
/// What the numbers that classifiers decide on, and the autoencoder, have to do with the loss.

#include <string>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"
#include "aelle/report/shown_table.hpp"

namespace aelle::report {

/// Spearman's rank correlation of numbers with the final loss over test networks, at every epoch.
ShownTable spearman_table(const Results& results);

/// Latent dimensions by their share of the predictions.
ShownTable latent_table(const Results& results);

/// What a predicted loss below 0 along that direction means; "" where there is none.
std::string below_zero_note(const Results& results);

/// The decoded spectra along the predictor's direction.
ShownTable direction_table(const Results& results);

}  // namespace aelle::report
