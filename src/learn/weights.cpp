#include "aelle/learn/weights.hpp"

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"

namespace aelle::learn {
namespace {

/// Hidden units of an extent per unit of H; 0 for the input dimension.
int64_t hidden_multiple(cells::Extent extent) {
    switch (extent) {
        case cells::Extent::hidden: return 1;
        case cells::Extent::hidden2: return 2;
        case cells::Extent::hidden3: return 3;
        case cells::Extent::hidden4: return 4;
        case cells::Extent::input: break;
    }
    return 0;
}

std::string to_text(const io::Dims& dims) {
    std::vector<std::string> words;
    for (const int64_t d : dims) words.push_back(std::to_string(d));
    return "(" + join(words, ", ") + ")";
}

/// Fits H and I to a tensor's dimensions; false when they contradict what was found before.
bool fit(cells::Shape& shape, const cells::TensorSpec& tensor, const io::Dims& dims) {
    if (dims.size() != tensor.extents.size()) return false;
    for (std::size_t i = 0; i < dims.size(); ++i) {
        const int64_t multiple = hidden_multiple(tensor.extents[i]);
        int64_t& known = multiple == 0 ? shape.input : shape.hidden;
        const int64_t unit = multiple == 0 ? 1 : multiple;
        if (dims[i] < 1 || dims[i] % unit != 0) return false;
        if (known == 0) known = dims[i] / unit;
        if (known != dims[i] / unit) return false;
    }
    return true;
}

io::Dims expected_dims(const cells::TensorSpec& tensor, const cells::Shape& shape) {
    io::Dims dims;
    for (const cells::Extent extent : tensor.extents) {
        const int64_t multiple = hidden_multiple(extent);
        dims.push_back(multiple == 0 ? shape.input : multiple * shape.hidden);
    }
    return dims;
}

}  // namespace

WeightsFile read_weights(const std::filesystem::path& path, const cells::CellSpec& cell, const WeightsOptions& options) {
    const io::H5Reader file(path);
    WeightsFile weights;
    weights.cell = &cell;
    for (const cells::TensorSpec& tensor : cell.tensors) {
        const std::string name(tensor.name);
        if (!file.has(name)) {
            if (tensor.optional || options.partial) continue;
            throw DataError(path.string() + ": " + name + ": missing, expected a tensor of cell " + std::string(cell.name));
        }
        const io::Dims dims = file.dims(name);
        if (!fit(weights.shape, tensor, dims)) {
            throw DataError(path.string() + ": " + name + ": found shape " + to_text(dims) + ", expected " +
                            to_text(expected_dims(tensor, weights.shape)) + " for cell " + std::string(cell.name));
        }
        weights.parameters.tensors[name] = file.read<double>(name);
    }
    for (const cells::ScalarSpec& scalar : cell.scalars) {
        const std::string name(scalar.name);
        if (file.attribute("/", name)) {
            weights.parameters.scalars[name] = file.number("/", name);
        } else if (file.has(name)) {
            weights.parameters.scalars[name] = file.read<double>(name, {}).front();
        }
    }
    for (const std::string& name : options.extra) {
        if (!file.has(name)) continue;
        weights.extra[name] = file.read<double>(name);
        weights.extra_dims[name] = file.dims(name);
    }
    return weights;
}

void write_weights(io::H5Writer& file, const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& parameters) {
    for (const cells::TensorSpec& tensor : cell.tensors) {
        const auto found = parameters.tensors.find(tensor.name);
        if (found != parameters.tensors.end()) file.write(std::string(tensor.name), found->second, expected_dims(tensor, shape));
    }
    for (const auto& [name, value] : parameters.scalars) file.attribute("/", name, value);
}

}  // namespace aelle::learn
