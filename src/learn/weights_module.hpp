#pragma once
/// Which tensors of a file are those of a cell: prefixes, layers, shapes.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aelle/cells/spec.hpp"
#include "aelle/io/h5.hpp"
#include "weights_source.hpp"

namespace aelle::learn {

/// The tensors that share a prefix, "rnn." or none, by their names behind it.
struct WeightsModule {
    std::string prefix;
    std::map<std::string, std::string> full_names;  ///< of the layer taken, under names of layer 0
    std::vector<int64_t> layers;                    ///< that the module has, ascending
};

/// All modules of the file with a tensor called like one of `cell` or of its gated form, or, for `all`, like any recurrent one. Of each the tensors
/// of `layer`.
std::vector<WeightsModule> find_modules(const std::vector<std::string>& names, const cells::CellSpec& cell, int64_t layer);

/// The number N of weight_ih_lN and the like: names that PyTorch and this program give to tensors of a recurrent layer.
std::optional<int64_t> layer_of(std::string_view name);

/// The gated form of a cell, or nullptr.
const cells::CellSpec* gated_form(const cells::CellSpec& cell);

/// What keeps a module from being one of this cell: a tensor's name behind the prefix, and the problem.
struct Misfit {
    std::string tensor, problem;
};

/// Finds H and I and compares all shapes with the cell's. `partial`: tensors may be absent. Nothing when all is well.
std::optional<Misfit> fit_shape(const WeightsSource& file, const WeightsModule& module, const cells::CellSpec& cell, bool partial, cells::Shape& shape);

/// Shape of a tensor.
io::Dims dims_of(const cells::TensorSpec& tensor, const cells::Shape& shape);

/// Names of all cells of this program whose tensors the module has, all of them and no others, in fitting shapes.
std::vector<std::string> fitting_cells(const WeightsSource& file, const WeightsModule& module);

/// "(3, 4)".
std::string to_text(const io::Dims& dims);

}  // namespace aelle::learn
