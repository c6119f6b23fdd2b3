#include "aelle/embed/options.hpp"

#include <cmath>
#include <string>

#include "aelle/base/text.hpp"

namespace aelle::embed {
namespace {

std::string text(double value) { return rounded(value, 6); }
std::string text(int64_t value) { return std::to_string(value); }

template <class T>
void expect(bool good, const char* name, T found, const char* expected) {
    if (!good) throw DataError(std::string("analysis.") + name + ": found " + text(found) + ", expected " + expected);
}

void check_autoencoder(const AutoencoderOptions& o) {
    for (const int64_t units : o.hidden) expect(units >= 1 && units <= 65536, "autoencoder.hidden", units, "integers from 1 to 65536");
    expect(o.latent >= 1 && o.latent <= 65536, "autoencoder.latent", o.latent, "an integer from 1 to 65536");
    expect(o.dropout >= 0.0 && o.dropout < 1.0, "autoencoder.dropout", o.dropout, "a number from 0 to below 1");
    expect(!o.alpha.empty(), "autoencoder.alpha", int64_t{0}, "at least one weight");
    for (const double a : o.alpha) expect(std::isfinite(a) && a >= 0.0, "autoencoder.alpha", a, "finite numbers, at least 0");
    expect(o.reconstruction_norm == 1 || o.reconstruction_norm == 2, "autoencoder.reconstruction_norm", int64_t{o.reconstruction_norm}, "1 or 2");
    expect(o.prediction_norm == 1 || o.prediction_norm == 2, "autoencoder.prediction_norm", int64_t{o.prediction_norm}, "1 or 2");
    expect(o.steps >= 0 && o.steps <= 100'000'000, "autoencoder.steps", o.steps, "an integer from 0 to 10^8");
    expect(o.batch >= 1, "autoencoder.batch", o.batch, "an integer, at least 1");
    expect(std::isfinite(o.learning_rate) && o.learning_rate > 0.0, "autoencoder.learning_rate", o.learning_rate, "a finite number above 0");
    expect(o.curve_points >= 0, "autoencoder.curve_points", o.curve_points, "an integer, at least 0");
}

}  // namespace

void check_options(const AnalysisOptions& o) {
    expect(o.repeats >= 1 && o.repeats <= 1'000'000, "repeats", o.repeats, "an integer from 1 to 10^6");
    expect(o.train_fraction > 0.0 && o.train_fraction < 1.0, "train_fraction", o.train_fraction, "a number above 0 and below 1");
    expect(o.validation_fraction > 0.0 && o.train_fraction + o.validation_fraction < 1.0, "validation_fraction", o.validation_fraction,
           "a number above 0 that leaves something of 1 for test");
    expect(o.length >= 0 && o.length <= 65536, "length", o.length, "an integer from 0 (largest dimension) to 65536");
    expect(std::isfinite(o.floor), "floor", o.floor, "a finite number");
    expect(std::isfinite(o.transform_scale) && o.transform_scale > 0.0, "transform_scale", o.transform_scale, "a finite number above 0");
    expect(!o.threshold || !std::isnan(*o.threshold), "threshold", o.threshold.value_or(0.0), "a number");
    expect(std::isfinite(o.loss_cap) && o.loss_cap > 0.0, "loss_cap", o.loss_cap, "a finite number above 0");
    expect(std::isfinite(o.ridge) && o.ridge >= 0.0, "ridge", o.ridge, "a finite number, at least 0");
    expect(o.regression_components >= 1, "regression_components", o.regression_components, "an integer, at least 1");
    expect(std::isfinite(o.logistic_penalty) && o.logistic_penalty > 0.0, "logistic_penalty", o.logistic_penalty, "a finite number above 0");
    if (o.threshold && o.label == LabelReference::architecture) {
        throw DataError("analysis.threshold: found " + text(*o.threshold) + ", expected none with label = \"architecture\", whose medians are the thresholds");
    }
    expect(!o.init_centre || std::isfinite(*o.init_centre), "init_centre", o.init_centre.value_or(0.0), "a finite number");
    check_autoencoder(o.autoencoder);
}

}  // namespace aelle::embed
