#pragma once
/// Data of the studies' shapes, made of random numbers: what training costs does not depend on what the images show.

#include <cstdint>
#include <filesystem>
#include <memory>

#include "aelle/learn/sequences.hpp"

namespace aelle::perf {

/// MNIST's files of training images in `folder`, with fewer images.
void write_synthetic_mnist(const std::filesystem::path& folder, int64_t images);

std::shared_ptr<const learn::Sequences> synthetic_smnist(int64_t images);
/// Windows of `steps` of 82 characters, with the next one to predict at every step.
std::shared_ptr<const learn::Sequences> synthetic_charrnn(int64_t windows, int64_t steps);

}  // namespace aelle::perf
