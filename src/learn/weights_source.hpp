#pragma once
/// The files that weights come in, as one kind of thing: tensors by name, and numbers beside them.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aelle/io/h5.hpp"

namespace aelle::learn {

class WeightsSource {
public:
    virtual ~WeightsSource() = default;
    /// Full names of all tensors, sorted; those in groups of HDF5 as "group/name". No more than 10,000, 6 groups deep.
    virtual std::vector<std::string> names() const = 0;
    virtual io::Dims dims(const std::string& tensor) const = 0;
    virtual std::vector<double> read(const std::string& tensor) const = 0;
    /// Attribute of the root or entry of the metadata; nothing when it is absent. DataError when it is no number.
    virtual std::optional<double> number(const std::string& name) const = 0;
    /// The same as text; nothing also when it is no text.
    virtual std::optional<std::string> text(const std::string& name) const = 0;
};

/// HDF5 or safetensors, by content. MissingInput or DataError.
std::unique_ptr<WeightsSource> open_weights(const std::filesystem::path& file);

}  // namespace aelle::learn
