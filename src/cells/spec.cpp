#include "aelle/cells/spec.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/cells/list.hpp"

namespace aelle::cells {
namespace {

template <class... Cells>
std::vector<CellSpec> specs_of(CellList<Cells...>) {
    return {Cells::spec()...};
}

int64_t length(Extent extent, const Shape& shape) {
    switch (extent) {
        case Extent::hidden: return shape.hidden;
        case Extent::hidden2: return 2 * shape.hidden;
        case Extent::hidden3: return 3 * shape.hidden;
        case Extent::hidden4: return 4 * shape.hidden;
        case Extent::input: return shape.input;
    }
    throw InternalError("internal error: unknown tensor extent");
}

template <class Specs>
std::vector<std::string> names_of(const Specs& specs) {
    std::vector<std::string> names;
    for (const auto& spec : specs) names.emplace_back(spec.name);
    return names;
}

template <class Specs, class Values>
void refuse_unknown(const CellSpec& cell, const char* kind, const Specs& specs, const Values& values) {
    const std::vector<std::string> known = names_of(specs);
    for (const auto& entry : values) {
        if (std::find(known.begin(), known.end(), entry.first) != known.end()) continue;
        throw DataError(std::string(cell.name) + ": found " + kind + " '" + entry.first + "', expected " +
                        (known.empty() ? "none" : "one of " + join(known, ", ")) + did_you_mean(entry.first, known));
    }
}

std::string size_text(const TensorSpec& tensor, const Shape& shape) {
    std::vector<std::string> parts;
    for (const Extent extent : tensor.extents) parts.push_back(std::to_string(length(extent, shape)));
    return std::to_string(element_count(tensor, shape)) + " values (" + join(parts, " x ") + ")";
}

void check_tensor(const CellSpec& cell, const TensorSpec& tensor, const Shape& shape, const Parameters& parameters) {
    const auto found = parameters.tensors.find(tensor.name);
    const std::string what = std::string(cell.name) + ": tensor " + std::string(tensor.name);
    if (found == parameters.tensors.end()) {
        if (tensor.optional) return;
        throw DataError(what + ": found nothing, expected " + size_text(tensor, shape));
    }
    if (static_cast<int64_t>(found->second.size()) != element_count(tensor, shape))
        throw DataError(what + ": found " + std::to_string(found->second.size()) + " values, expected " + size_text(tensor, shape));
}

void check_scalar(const CellSpec& cell, const ScalarSpec& scalar, Parameters& parameters) {
    const auto other = parameters.scalars.find(scalar.otherwise);
    const double fallback = other == parameters.scalars.end() ? scalar.fallback : other->second;
    const double value = parameters.scalars.try_emplace(std::string(scalar.name), fallback).first->second;
    if (std::isfinite(value) && value >= scalar.low && value <= scalar.high) return;
    throw DataError(std::string(cell.name) + ": scalar " + std::string(scalar.name) + ": found " + exact(value) +
                    ", expected a number from " + exact(scalar.low) + " to " + exact(scalar.high));
}

}  // namespace

const std::vector<CellSpec>& all_cells() {
    static const std::vector<CellSpec> cells = specs_of(AllCells{});
    return cells;
}

const CellSpec& find_cell(std::string_view name) {
    for (const CellSpec& cell : all_cells()) {
        if (cell.name == name) return cell;
    }
    const std::vector<std::string> known = names_of(all_cells());
    throw DataError("cell: found '" + std::string(name) + "', expected one of " + join(known, ", ") + did_you_mean(name, known));
}

int64_t element_count(const TensorSpec& tensor, const Shape& shape) {
    int64_t count = 1;
    for (const Extent extent : tensor.extents) count *= length(extent, shape);
    return count;
}

void complete(const CellSpec& cell, const Shape& shape, Parameters& parameters) {
    if (shape.hidden < 1)
        throw DataError(std::string(cell.name) + ": hidden: found " + std::to_string(shape.hidden) + ", expected at least 1");
    if (shape.input < 0)
        throw DataError(std::string(cell.name) + ": input: found " + std::to_string(shape.input) + ", expected at least 0");
    refuse_unknown(cell, "tensor", cell.tensors, parameters.tensors);
    refuse_unknown(cell, "scalar", cell.scalars, parameters.scalars);
    for (const TensorSpec& tensor : cell.tensors) check_tensor(cell, tensor, shape, parameters);
    for (const ScalarSpec& scalar : cell.scalars) check_scalar(cell, scalar, parameters);
}

}  // namespace aelle::cells
