#pragma once
/// Sequential MNIST by rows: an image is 28 steps of 28 pixels, level / 255; the class is predicted at the last step.
/// Files in IDX format (LeCun, Cortes & Burges), plain or .gz: DATA/mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz].

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "aelle/learn/sequences.hpp"

namespace aelle::tasks {

enum class MnistFile { train, test };

/// All images of one file, in its order. MissingInput names the files looked for and the folder; DataError a wrong magic number, size, count
/// (more than 1,000,000 included) or label, or images that are not 28 x 28. A plain file goes before a .gz one.
std::unique_ptr<learn::Sequences> read_smnist(const std::filesystem::path& data, MnistFile file);

}  // namespace aelle::tasks
