#include "weights_module.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"

namespace aelle::learn {
namespace {

/// Units of H in an extent; 0 for the input dimension.
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

/// "(192, I)": numbers as far as they are known.
std::string expected_text(const cells::TensorSpec& tensor, const cells::Shape& shape) {
    std::vector<std::string> words;
    for (const cells::Extent extent : tensor.extents) {
        const int64_t multiple = hidden_multiple(extent), unit = multiple == 0 ? shape.input : shape.hidden;
        if (unit > 0) words.push_back(std::to_string(multiple == 0 ? unit : multiple * unit));
        else words.push_back(multiple == 0 ? "I" : multiple == 1 ? "H" : std::to_string(multiple) + " H");
    }
    return "(" + join(words, ", ") + ")";
}

/// H and I as they stand in the last dimensions of matrices, which no cell stacks; from vectors and rows where no matrix tells.
void find_sizes(const std::map<std::string, io::Dims>& found, const cells::CellSpec& cell, cells::Shape& shape) {
    for (const bool stacked : {false, true}) {
        for (const cells::TensorSpec& tensor : cell.tensors) {
            const auto dims = found.find(std::string(tensor.name));
            if (dims == found.end() || dims->second.size() != tensor.extents.size()) continue;
            for (std::size_t i = 0; i < tensor.extents.size(); ++i) {
                const int64_t multiple = hidden_multiple(tensor.extents[i]), size = dims->second[i];
                if (stacked == (i + 1 == tensor.extents.size() && tensor.extents.size() > 1)) continue;
                int64_t& known = multiple == 0 ? shape.input : shape.hidden;
                const int64_t unit = std::max<int64_t>(multiple, 1);
                if (known == 0 && size > 0 && size % unit == 0) known = size / unit;
            }
        }
    }
}

/// Everything up to the last separator, and the rest.
std::pair<std::string, std::string> split_name(const std::string& name) {
    const std::size_t end = name.find_last_of("./");
    if (end == std::string::npos) return {"", name};
    return {name.substr(0, end + 1), name.substr(end + 1)};
}

bool knows(const cells::CellSpec& cell, const std::string& name) {
    return std::ranges::any_of(cell.tensors, [&](const cells::TensorSpec& tensor) { return tensor.name == name; });
}

/// The name as it would be in layer 0.
std::string name_in_layer_0(const std::string& name, int64_t layer) {
    const std::string suffix = "_l" + std::to_string(layer);
    const std::size_t at = name.rfind(suffix);
    return name.substr(0, at) + "_l0" + name.substr(at + suffix.size());
}

}  // namespace

std::string to_text(const io::Dims& dims) {
    std::vector<std::string> words;
    for (const int64_t d : dims) words.push_back(std::to_string(d));
    return "(" + join(words, ", ") + ")";
}

std::optional<int64_t> layer_of(std::string_view name) {
    constexpr std::string_view reverse = "_reverse";
    if (name.ends_with(reverse)) name.remove_suffix(reverse.size());
    const std::size_t at = name.rfind("_l");
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view digits = name.substr(at + 2);
    if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
    int64_t layer = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || layer < 0) return std::nullopt;
    const std::string_view kind = name.substr(0, std::min(at, name.find('_')));
    if (kind != "weight" && kind != "bias" && kind != "step") return std::nullopt;
    return layer;
}

const cells::CellSpec* gated_form(const cells::CellSpec& cell) {
    const auto found = std::ranges::find_if(cells::all_cells(), [&](const auto& other) { return other.gated_form_of == cell.name; });
    return found == cells::all_cells().end() ? nullptr : &*found;
}

std::vector<WeightsModule> find_modules(const std::vector<std::string>& names, const cells::CellSpec& cell, int64_t layer) {
    const cells::CellSpec* gated = gated_form(cell);
    std::map<std::string, WeightsModule> modules;
    std::set<std::string> known;
    for (const std::string& full : names) {
        const auto [prefix, name] = split_name(full);
        const std::optional<int64_t> found = layer_of(name);
        WeightsModule& module = modules[prefix];
        module.prefix = prefix;
        const std::string plain = found ? name_in_layer_0(name, *found) : name;
        if (knows(cell, plain) || (gated != nullptr && knows(*gated, plain))) known.insert(prefix);
        if (found) module.layers.push_back(*found);
        if (!found || *found == layer) module.full_names.emplace(plain, full);
    }
    std::vector<WeightsModule> result;
    for (const std::string& prefix : known) {
        WeightsModule& module = modules[prefix];
        std::ranges::sort(module.layers);
        module.layers.erase(std::ranges::unique(module.layers).begin(), module.layers.end());
        result.push_back(std::move(module));
    }
    return result;
}

std::optional<Misfit> fit_shape(const WeightsSource& file, const WeightsModule& module, const cells::CellSpec& cell, bool partial, cells::Shape& shape) {
    std::map<std::string, io::Dims> found;
    for (const cells::TensorSpec& tensor : cell.tensors) {
        const std::string name(tensor.name);
        const auto full = module.full_names.find(name);
        if (full != module.full_names.end()) found[name] = file.dims(full->second);
        else if (!tensor.optional && !partial) return Misfit{name, "missing, expected a tensor of cell " + std::string(cell.name)};
    }
    find_sizes(found, cell, shape);
    for (const cells::TensorSpec& tensor : cell.tensors) {
        const auto dims = found.find(std::string(tensor.name));
        if (dims == found.end() || (dims->second == dims_of(tensor, shape) && std::ranges::min(dims->second) > 0)) continue;
        return Misfit{dims->first, "found shape " + to_text(dims->second) + ", expected " + expected_text(tensor, shape) + " for cell " + std::string(cell.name)};
    }
    return std::nullopt;
}

io::Dims dims_of(const cells::TensorSpec& tensor, const cells::Shape& shape) {
    io::Dims dims;
    for (const cells::Extent extent : tensor.extents) {
        const int64_t multiple = hidden_multiple(extent);
        dims.push_back(multiple == 0 ? shape.input : multiple * shape.hidden);
    }
    return dims;
}

std::vector<std::string> fitting_cells(const WeightsSource& file, const WeightsModule& module) {
    std::vector<std::string> fitting;
    for (const cells::CellSpec& cell : cells::all_cells()) {
        cells::Shape shape;
        const bool foreign = std::ranges::any_of(module.full_names, [&](const auto& name) { return layer_of(name.first) && !knows(cell, name.first); });
        if (!foreign && !fit_shape(file, module, cell, false, shape)) fitting.emplace_back(cell.name);
    }
    return fitting;
}

}  // namespace aelle::learn
