#include "aelle/tasks/smnist.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "aelle/base/error.hpp"
#include "aelle/io/file.hpp"
#include "idx.hpp"
#include "missing.hpp"

namespace aelle::tasks {
namespace {

namespace fs = std::filesystem;

constexpr int64_t side = 28, pixels = side * side, digits = 10;

class Mnist final : public learn::Sequences {
public:
    Mnist(std::vector<uint8_t> levels, std::vector<uint8_t> labels) : levels_(std::move(levels)), labels_(std::move(labels)) {
        for (std::size_t level = 0; level < grey_.size(); ++level) grey_[level] = static_cast<float>(level) / 255.0f;  // as PyTorch's ToTensor
    }
    int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
    int64_t steps() const override { return side; }
    int64_t features() const override { return side; }
    int64_t classes() const override { return digits; }
    int64_t target_steps() const override { return 1; }

    void gather(std::span<const int64_t> indices, learn::Minibatch& out) const override {
        const auto batch = static_cast<int64_t>(indices.size());
        out.steps = side;
        out.batch = batch;
        out.symbols.clear();
        out.values.resize(static_cast<std::size_t>(pixels * batch));
        out.targets.resize(indices.size());
        for (int64_t b = 0; b < batch; ++b) {
            const auto image = static_cast<std::size_t>(indices[static_cast<std::size_t>(b)]);
            require(image < labels_.size(), "an image beyond the end of the file is asked for");
            out.targets[static_cast<std::size_t>(b)] = labels_[image];
            const uint8_t* level = levels_.data() + image * pixels;
            for (int64_t row = 0; row < side; ++row, level += side) {
                float* column = out.values.data() + (row * batch + b) * side;
                for (int64_t i = 0; i < side; ++i) column[i] = grey_[level[i]];
            }
        }
    }

private:
    std::vector<uint8_t> levels_, labels_;  ///< bytes: a quarter of the memory of floats
    std::array<float, 256> grey_{};
};

std::vector<fs::path> candidates(const fs::path& folder, const std::string& name) { return {folder / name, folder / (name + ".gz")}; }

}  // namespace

std::unique_ptr<learn::Sequences> read_smnist(const fs::path& data, MnistFile file) {
    const std::string part = file == MnistFile::train ? "train" : "t10k";
    const std::vector<fs::path> images = candidates(data / "mnist", part + "-images-idx3-ubyte");
    const std::vector<fs::path> labels = candidates(data / "mnist", part + "-labels-idx1-ubyte");
    const auto found = first_of_each("MNIST", data, {images, labels});
    Idx levels = parse_idx(io::read_bytes(found[0]), found[0].string(), {std::nullopt, side, side});
    Idx classes = parse_idx(io::read_bytes(found[1]), found[1].string(), {std::nullopt});
    if (levels.dims[0] != classes.dims[0]) {
        throw DataError(found[1].string() + ": found " + std::to_string(classes.dims[0]) + " labels, expected " + std::to_string(levels.dims[0]) +
                        ", one for each image of " + found[0].string());
    }
    const auto wrong = std::ranges::find_if(classes.values, [](uint8_t label) { return label >= digits; });
    if (wrong != classes.values.end()) {
        throw DataError(found[1].string() + ": label " + std::to_string(wrong - classes.values.begin()) + ": found " + std::to_string(*wrong) +
                        ", expected 0 to 9");
    }
    return std::make_unique<Mnist>(std::move(levels.values), std::move(classes.values));
}

}  // namespace aelle::tasks
