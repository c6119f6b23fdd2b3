#pragma once
/// DIR/analysis.h5.
///
/// V variants, E epochs, R repeats, C classifiers, d latent dimensions, L common length of spectra, P points of the learning curves. Dimensions carry the
/// scales `variant` (V), `epoch` (E), `repeat` (R), `classifier` (C, names), `component` (d), `position` (L), `plane_axis` (2), `curve/step` (P).
/// A dataset has scales on all of its dimensions or on none, as readers of netCDF want it.
///
/// | dataset | shape | meaning |
/// | --- | --- | --- |
/// | `loss`, `label`, `init` | (V) | loss that labels come from; 1 = below the threshold; initialisation parameter |
/// | `usable` | (V, E) | 0 where the spectrum is left out (NaN or +inf) |
/// | `statistic/{mean,max,std,kaplan_yorke}` | (V, E) | of the exponents after the floor; NaN where left out |
/// | `split` | (R, V) | 0 training, 1 validation, 2 test, -1 left out |
/// | `score` | (C, R, V, E) | number that the classifier decides on; NaN where left out |
/// | `positive` | (C, R, V, E) | 1 called good, 0 called bad, -1 where left out |
/// | `boundary`, `side` | (C, R, E) | positive above (side 1) or at or below (-1) the boundary; -inf or inf: everything on one side; NaN and 0: none |
/// | `latent`, `pc` | (V, E, d) | latent vectors of repeat 0 and their principal components; NaN where left out |
/// | `predicted_loss` | (V, E) | by the autoencoder of repeat 0, in units of the loss |
/// | `le_pc` | (V, E, 2) | principal components of the baseline spectra, repeat 0 |
/// | `pca/{mean,axes,variance}` | (d), (d, d), (d) | of the latent vectors; axes[i] is axis i; pc = axes (latent - mean) |
/// | `le_pca/{mean,axes,variance}` | (L), (L, L), (L) | the same of the baseline spectra |
/// | `autoencoder/layer_N/{weight,bias}` | (out, in), (out) | layers from 0, group attribute `activation`; attributes of `autoencoder`: `latent_layer` (the layer
/// that makes the latent vector), `step` (whose weights these are) |
/// | `autoencoder/predictor/{weight,bias}` | (1, d), (1) | scaled loss = weight latent + bias |
/// | `transform/{spectrum,target}` | (3) | constants named by attribute `fields`: (g(x) - shift) / factor, g by attribute `transform` (embed/transform.hpp) |
/// | `interpretation/{weight,deviation,share}` | (d) | what each latent dimension adds to the predicted loss (embed/interpretation.hpp) |
/// | `interpretation/{spectrum,prediction,encoded_prediction}` | (S, L), (S), (S) | along the predictor's direction, scale `interpretation/shift` (S) |
/// | `curve/{reconstruction,prediction}_{train,validation}` | (P) | losses without dropout, repeat 0 |
///
/// Root attributes: version, format_version, seed, threshold, median_loss, length, diverged, failed, left_out (variants), left_out_spectra, clipped (exponents), spectrum_kind (that the
/// model is of, where known), leading_exponents (their number, where spectra are not whole), and every option as `analysis.NAME` (`analysis.autoencoder.NAME`). No dataset holds times, hosts, ranks or thread counts.

#include <filesystem>

#include "aelle/embed/analysis.hpp"

namespace aelle::embed {

/// Replaces `file` by rename; errors as of io::H5Writer::commit.
void write_analysis(const std::filesystem::path& file, const AnalysisInput& input, const AnalysisOptions& options, const Analysis& analysis);

/// Names of all options, of those too that a file records only where they are set.
std::vector<std::string> option_names();

/// True when `file` was written with these options; false also when it cannot be read.
bool made_with(const std::filesystem::path& file, const AnalysisOptions& options);

}  // namespace aelle::embed
