#pragma once
/// A network's weights in files: HDF5 datasets by the names and shapes of its cell.

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "aelle/cells/spec.hpp"
#include "aelle/io/h5.hpp"

namespace aelle::learn {

struct WeightsFile {
    cells::Shape shape;            ///< found from the tensors
    cells::Parameters parameters;  ///< tensors and scalars of the cell that the file holds
    std::map<std::string, std::vector<double>, std::less<>> extra;  ///< datasets asked for beside them, where present
};

/// Reads the cell's tensors, its scalars (attributes of the root or 0-d datasets) and the datasets named in `extra`. Other datasets are ignored.
/// DataError names file and dataset, found and expected shape, and a required tensor that is missing unless `partial`.
WeightsFile read_weights(const std::filesystem::path& file, const cells::CellSpec& cell, std::span<const std::string> extra = {},
                         bool partial = false);

/// Writes the tensors as datasets and the scalars as attributes.
void write_weights(io::H5Writer& file, const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& parameters);

}  // namespace aelle::learn
