#pragma once
/// What the rest of the library may know about a recurrent cell at run time: names, shapes and the structure of a step.
///
/// A cell is defined once, by a struct like `cells/rank1.hpp` (the contract is written there and in `cells/contract.hpp`); `CellSpec` is
/// generated from it. A step is one or two stages, each a linear map followed by a pointwise function, unit by unit:
///
///     a_slot = sum over terms of  W_term source_term          (linear, all units together)
///     s'     = phi(a, s)                                       (pointwise)
///
/// Everything else follows: forward, backward, Jacobian J = D_s + D_a W, tangent products.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace aelle::cells {

/// What a linear term reads.
enum class Source {
    input,          ///< x_t (I)
    state,          ///< a block of s_t (H)
    updated_state,  ///< a block already written by an earlier stage of this step (H)
    one,            ///< the constant 1: the tensor is a bias
};

/// A fixed function applied to the source, unit by unit, before the linear map.
enum class Through { identity, tanh };

/// How the matrix of a term comes from tensors.
enum class Form {
    dense,  ///< row block `row_block` (H rows) of `tensor`; stored sparse by a backend when few entries are nonzero
    outer,  ///< `tensor` (H) times the transpose of `tensor2` (H): a rank-one matrix
};

struct LinearTerm {
    int slot = 0;  ///< the pre-activation it adds to
    Source source = Source::state;
    int block = 0;  ///< which state block, for state sources
    Through through = Through::identity;
    Form form = Form::dense;
    std::string_view tensor;
    std::string_view tensor2 = "";
    int row_block = 0;
};

struct StageSpec {
    int slots = 1;  ///< pre-activations per unit
    std::vector<LinearTerm> terms;
};

/// Symbolic sizes of tensor dimensions, in units that only a network's shape fixes.
enum class Extent { hidden, hidden2, hidden3, hidden4, input };

struct TensorSpec {
    std::string_view name;        ///< the name in files, as in PyTorch where PyTorch has one
    std::vector<Extent> extents;  ///< row-major as in PyTorch: (rows, columns) or (length)
    bool optional = false;        ///< absent means zero
};

struct ScalarSpec {
    std::string_view name;
    double fallback;   ///< value when neither given nor stored
    double low, high;  ///< accepted range, inclusive
};

struct CellSpec {
    std::string_view name;
    std::string_view source;  ///< paper and equation
    int blocks = 1;           ///< state blocks of H units each; D = blocks * H
    int readout_block = 0;    ///< the block that the readout sees
    std::vector<StageSpec> stages;
    std::vector<TensorSpec> tensors;
    std::vector<ScalarSpec> scalars;
};

/// Sizes of one network.
struct Shape {
    int64_t hidden = 0;  ///< H
    int64_t input = 0;   ///< I, 0 for autonomous cells
};

/// A network's values by name: tensors in row-major order as in PyTorch, scalars beside them.
struct Parameters {
    std::map<std::string, std::vector<double>, std::less<>> tensors;
    std::map<std::string, double, std::less<>> scalars;
};

/// All cells that this build knows, in the order of `cells/list.hpp`.
const std::vector<CellSpec>& all_cells();

/// DataError naming the nearest cell when there is none of that name.
const CellSpec& find_cell(std::string_view name);

/// Number of elements of a tensor for a shape.
int64_t element_count(const TensorSpec& tensor, const Shape& shape);

/// Fills absent scalars with fallbacks and checks names, sizes, ranges and finiteness of scalars; DataError names tensor or scalar,
/// found and expected. Tensors may hold any value, also infinite: divergence is a result.
void complete(const CellSpec& cell, const Shape& shape, Parameters& parameters);

}  // namespace aelle::cells
