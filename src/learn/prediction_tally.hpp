#pragma once
/// Running means over predictions, and the checks that a network fits its data.

#include <cstdint>
#include <limits>
#include <span>

#include "aelle/learn/sequences.hpp"
#include "classifier.hpp"

namespace aelle::learn {

/// Losses as they add up, batch by batch, in double precision.
struct PredictionTally {
    double sum = 0.0;
    int64_t predictions = 0, correct = 0;

    void add(const BatchLoss& batch) {
        sum += batch.sum;
        predictions += batch.predictions;
        correct += batch.correct;
    }
    double loss() const { return mean(sum); }
    double accuracy() const { return mean(static_cast<double>(correct)); }

private:
    double mean(double total) const {
        return predictions > 0 ? total / static_cast<double>(predictions) : std::numeric_limits<double>::quiet_NaN();
    }
};

/// DataError unless the model reads the data's features and predicts its classes, and every index is a sequence of it.
void check_fits(const Model& model, const Sequences& data, std::span<const int64_t> indices);

}  // namespace aelle::learn
