#pragma once
/// A network's weights in files: tensors by the names and shapes of its cell (PyTorch's own for rnn, lstm and gru), in HDF5 or safetensors.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aelle/cells/spec.hpp"
#include "aelle/io/h5.hpp"

namespace aelle::learn {

struct WeightsOptions {
    std::vector<std::string> extra = {};      ///< tensors wanted beside the cell's, by full name ("fc.weight") or name behind the prefix; may be absent
    bool partial = false;                     ///< required tensors may be absent
    std::optional<int64_t> layer = {};        ///< which layer of a checkpoint with several; its tensors *_lN are read as *_l0
    bool gated = false;                       ///< take the gated form of the cell, whatever the file holds
};

struct WeightsFile {
    const cells::CellSpec* cell = nullptr;    ///< the cell asked for, or its gated form
    cells::Shape shape;                       ///< found from the tensors; 0 where no tensor tells
    cells::Parameters parameters;             ///< tensors and scalars of the cell that the file holds
    std::map<std::string, std::vector<double>, std::less<>> extra;  ///< tensors asked for beside them, where present
    std::map<std::string, io::Dims, std::less<>> extra_dims;        ///< their shapes
};

/// Reads the cell's tensors, its scalars (numbers among the attributes of the root or the metadata, or 0-d tensors) and the tensors named in
/// `options.extra`. A common prefix of the cell's tensors ("rnn.", "module.lstm.") is found and left out. The gated form of the cell is taken
/// when the file holds a tensor that only it has. Files are told apart by their content: HDF5 or safetensors.
///
/// Other tensors are ignored, except recurrent ones (weight_*_lN, bias_*_lN, step_lN) beside the cell's that the cell does not know: a projection, a
/// second direction or another architecture would be left out silently. Our own files (attributes `cell` and `version`) are exempt.
///
/// MissingInput when there is no such file. DataError names file and tensor, found and expected shape, the cell that would fit all tensors if there
/// is one; a required tensor that is missing; several modules that fit; several layers without `layer`, or a layer that is not there.
WeightsFile read_weights(const std::filesystem::path& file, const cells::CellSpec& cell, const WeightsOptions& options = {});

/// Writes the tensors as datasets and the scalars as attributes.
void write_weights(io::H5Writer& file, const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& parameters);

}  // namespace aelle::learn
