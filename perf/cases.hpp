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

/// Largest difference over the largest value of b.
double relative_difference(std::span<const double> a, std::span<const double> b);

}  // namespace aelle::perf
