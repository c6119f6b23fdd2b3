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
    one,            ///< the constant 1: the tensor is a bias; where it is absent, the value of `scalar`, or 0 without one
    factor_noise,   ///< no tensor: 1 - v (1 - u), u ~ U(0, 1) fresh per unit, sample and step in training, v the value of `scalar`; 1 otherwise
    additive_noise, ///< no tensor: v n, n ~ N(0, 1), likewise; 0 otherwise
};

/// A fixed function applied to the source, unit by unit, before the linear map.
enum class Through { identity, tanh };

/// How the matrix of a term comes from tensors.
enum class Form {
    dense,  ///< row block `row_block` (H rows) of `tensor`; stored sparse by a backend when few entries are nonzero
    outer,  ///< `tensor` (H) times the transpose of `tensor2` (H): a rank-one matrix
    /// M + (1 - 2 beta) M^T - gamma I of the free matrix `tensor` M (H, H), with the scalars named by `beta` (none: 1, antisymmetric) and
    /// `gamma` (none: 0). Erichson et al., ICLR 2021, equation 4; with beta = 1 Chang et al., ICLR 2019, equation 12.
    /// Pull-back of G = dL/dA: dL/dM = G + (1 - 2 beta) G^T, dL/dgamma = -tr G.
    symmetric_skew,
};

struct LinearTerm {
    int slot = 0;  ///< the pre-activation it adds to
    Source source = Source::state;
    int block = 0;  ///< which state block, for state sources
    Through through = Through::identity;
    Form form = Form::dense;
    std::string_view tensor = "";
    std::string_view tensor2 = "";
    int row_block = 0;
    std::string_view beta = "", gamma = "";  ///< scalars of Form::symmetric_skew
    std::string_view scalar = "";            ///< strength of a noise; fallback of an absent bias
};

struct StageSpec {
    int slots = 1;  ///< pre-activations per unit; 0 for a stage that only combines blocks
    std::vector<LinearTerm> terms;
};

/// Symbolic sizes of tensor dimensions, in units that only a network's shape fixes.
enum class Extent { hidden, hidden2, hidden3, hidden4, input };

/// How a tensor starts: a law and its width. The width of U(-w, w) is w, that of N(0, w^2) is w, that of a constant its value.
struct Initial {
    enum class Law { absent, constant, uniform, normal };
    enum class Width {
        one,
        p,                      ///< the parameter that a study varies
        scalar,                 ///< the value of the scalar called `scalar`
        per_hidden,             ///< 1 / H
        per_input,              ///< 1 / I
        per_root_hidden,        ///< 1 / sqrt(H)
        per_root_input,         ///< 1 / sqrt(I)
        per_root_joint,         ///< 1 / sqrt(I + 2 H)
        xavier,                 ///< sqrt(2 / (I + H)): Xavier normal of the input map
    };
    Law law = Law::absent;
    Width width = Width::one;
    double factor = 1.0;  ///< multiplies the width
    std::string_view scalar = "";

    static Initial absent() { return {}; }
    static Initial constant(double value) { return {.law = Law::constant, .factor = value}; }
    static Initial equal_to(std::string_view scalar) { return {.law = Law::constant, .width = Width::scalar, .scalar = scalar}; }
    static Initial uniform(Width width, double factor = 1.0) { return {.law = Law::uniform, .width = width, .factor = factor}; }
    static Initial normal(Width width, double factor = 1.0) { return {.law = Law::normal, .width = width, .factor = factor}; }
};

struct TensorSpec {
    std::string_view name;        ///< the name in files, as in PyTorch where PyTorch has one
    std::vector<Extent> extents;  ///< row-major as in PyTorch: (rows, columns) or (length)
    bool optional = false;        ///< may be absent: then no term reads it
    Initial study = {};           ///< start in a study that varies p (cells.md 1.9)
    Initial standard = {};        ///< start otherwise: the defaults of PyTorch or of the architecture's authors
};

struct ScalarSpec {
    std::string_view name;
    double fallback;   ///< value when neither given nor stored
    double low, high;  ///< accepted range, inclusive
    std::string_view otherwise = "";  ///< an earlier scalar whose value goes before `fallback`
};

struct CellSpec {
    std::string_view name;
    std::string_view source;  ///< paper and equation
    int blocks = 1;           ///< state blocks of H units each; D = blocks * H
    int readout_block = 0;    ///< the block that the readout sees
    std::vector<StageSpec> stages;
    std::vector<TensorSpec> tensors;
    std::vector<ScalarSpec> scalars;
    std::string_view gated_form_of = "";  ///< the plain cell in whose place this one is taken, by --gated or by the tensors that a file holds
    bool published_transposed = true;     ///< whether the authors' code multiplies tangents by the transposed Jacobian of this cell
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
