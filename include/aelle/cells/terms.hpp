#pragma once
/// Groups of linear terms that several architectures share, for writing a cell's spec().

#include <initializer_list>
#include <vector>

#include "aelle/cells/spec.hpp"

namespace aelle::cells {

using Terms = std::vector<LinearTerm>;

/// All terms of the groups, in order.
inline Terms joined(std::initializer_list<Terms> groups) {
    Terms all;
    for (const Terms& group : groups) all.insert(all.end(), group.begin(), group.end());
    return all;
}

/// W x + b of PyTorch's tensors: row block `row_block` of weight_ih_l0 and bias_ih_l0.
inline Terms input_terms(int slot, int row_block = 0) {
    return {{.slot = slot, .source = Source::input, .tensor = "weight_ih_l0", .row_block = row_block},
            {.slot = slot, .source = Source::one, .tensor = "bias_ih_l0", .row_block = row_block}};
}

/// U h + b of PyTorch's tensors, h block 0 of the state: row block `row_block` of weight_hh_l0 and bias_hh_l0.
inline Terms recurrent_terms(int slot, int row_block = 0) {
    return {{.slot = slot, .tensor = "weight_hh_l0", .row_block = row_block},
            {.slot = slot, .source = Source::one, .tensor = "bias_hh_l0", .row_block = row_block}};
}

/// Both of them: a gate of PyTorch's rnn and lstm.
inline Terms gate_terms(int slot, int row_block = 0) { return joined({input_terms(slot, row_block), recurrent_terms(slot, row_block)}); }

/// PyTorch's four tensors of a recurrent layer with `rows` H rows. Studies leave the biases out, as the authors' code does; PyTorch
/// starts everything from U(-1/sqrt(H), 1/sqrt(H)).
inline std::vector<TensorSpec> pytorch_tensors(Extent rows) {
    const Initial varied = Initial::uniform(Initial::Width::p), standard = Initial::uniform(Initial::Width::per_root_hidden);
    return {{"weight_ih_l0", {rows, Extent::input}, false, varied, standard},
            {"weight_hh_l0", {rows, Extent::hidden}, false, varied, standard},
            {"bias_ih_l0", {rows}, true, Initial::absent(), standard},
            {"bias_hh_l0", {rows}, true, Initial::absent(), standard}};
}

}  // namespace aelle::cells
