#pragma once
/// Every case there is, by room, and what they share.

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/cells/spec.hpp"
#include "harness.hpp"

namespace aelle::perf {

void add_spectra_cases(const Plan& plan, std::vector<Case>& cases);
void add_training_cases(const Plan& plan, std::vector<Case>& cases);
void add_force_cases(const Plan& plan, std::vector<Case>& cases);
void add_autoencoder_cases(const Plan& plan, std::vector<Case>& cases);
void add_kernel_cases(const Plan& plan, std::vector<Case>& cases);
void add_scaling_cases(const Plan& plan, std::vector<Case>& cases);

const backend::Backend& cpu();

/// All tensors of the cell U(-width, width), its scalars at their defaults.
cells::Parameters uniform_parameters(const cells::CellSpec& cell, const cells::Shape& shape, double width);

/// What an update learns from; a prediction at the last step or at every step.
struct UpdateShape {
    int64_t steps = 0, batch = 0, classes = 0;
    bool one_hot = false, every_step = false;
};
/// FLOP of the products of one update: 2 H (3 H gr + 2 I gi) per sequence and step (one-hot inputs: gi = 0), 6 H C per prediction.
double update_flop(const cells::CellSpec& cell, const cells::Shape& shape, const UpdateShape& update);

/// Largest difference over the largest value of b.
double relative_difference(std::span<const double> a, std::span<const double> b);

}  // namespace aelle::perf
