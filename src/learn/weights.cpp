#include "aelle/learn/weights.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "weights_module.hpp"
#include "weights_source.hpp"

namespace aelle::learn {
namespace {

/// One reading: file, options and what was found so far.
class Reading {
public:
    Reading(const std::filesystem::path& path, const cells::CellSpec& cell, const WeightsOptions& options)
        : path_(path.string()), cell_(cell), gated_(gated_form(cell)), options_(options), file_(open_weights(path)), names_(file_->names()) {
        if (options.layer && *options.layer < 0) throw UsageError("layer: found " + std::to_string(*options.layer) + ", expected 0 or more");
        if (options.gated && gated_ == nullptr && cell.gated_form_of.empty()) {
            throw UsageError("gated: cell " + std::string(cell.name) + " has no gated form");
        }
    }

    WeightsFile result() {
        const WeightsModule module = choose_module();
        WeightsFile weights;
        weights.cell = &form_of(module);
        refuse_unknown(module);
        if (const auto misfit = fit_shape(*file_, module, *weights.cell, options_.partial, weights.shape)) fail(module, *misfit);
        for (const cells::TensorSpec& tensor : weights.cell->tensors) {
            const std::string name(tensor.name);
            const auto full = module.full_names.find(name);
            if (full != module.full_names.end()) weights.parameters.tensors[name] = read_finite(full->second);
        }
        for (const cells::ScalarSpec& scalar : weights.cell->scalars) read_scalar(module, std::string(scalar.name), weights);
        for (const std::string& name : options_.extra) {
            const auto full = find_extra(module.prefix, name);
            if (!full) continue;
            weights.extra[name] = read_finite(*full);
            weights.extra_dims[name] = file_->dims(*full);
        }
        return weights;
    }

private:
    [[noreturn]] void fail(const WeightsModule& module, const Misfit& misfit) const {
        std::string name = misfit.tensor;
        const auto full = module.full_names.find(name);
        if (full != module.full_names.end()) name = full->second;
        else if (const auto layer = options_.layer.value_or(0); name.ends_with("_l0")) name = module.prefix + name.replace(name.size() - 1, 1, std::to_string(layer));
        else name = module.prefix + name;
        const std::vector<std::string> fitting = fitting_cells(*file_, module);
        throw DataError(path_ + ": " + name + ": " + misfit.problem + (fitting.empty() ? "" : "; the tensors are those of cell " + join(fitting, " or ")));
    }

    /// DataError naming the first value that is NaN or infinite, as of a network that diverged.
    std::vector<double> read_finite(const std::string& full_name) const {
        std::vector<double> values = file_->read(full_name);
        const auto bad = std::ranges::find_if(values, [](double x) { return !std::isfinite(x); });
        if (bad == values.end()) return values;
        throw DataError(path_ + ": " + full_name + ": found " + exact(*bad) + " at element " + std::to_string(bad - values.begin()) + " of shape " +
                        to_text(file_->dims(full_name)) + ", expected finite numbers");
    }

    const cells::CellSpec& form_of(const WeightsModule& module) const {
        if (gated_ == nullptr) return cell_;
        const auto in = [](const cells::CellSpec& cell, const std::string& name) {
            return std::ranges::any_of(cell.tensors, [&](const auto& tensor) { return tensor.name == name; });
        };
        const bool only_gated = std::ranges::any_of(module.full_names, [&](const auto& name) { return in(*gated_, name.first) && !in(cell_, name.first); });
        return options_.gated || only_gated ? *gated_ : cell_;
    }

    WeightsModule choose_module() const {
        std::vector<WeightsModule> modules = find_modules(names_, cell_, options_.layer.value_or(0));
        if (modules.empty()) {
            if (options_.partial) return {};
            const auto required = std::ranges::find_if(cell_.tensors, [](const auto& tensor) { return !tensor.optional; });
            std::vector<std::string> some(names_.begin(), names_.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(names_.size(), 8)));
            throw DataError(path_ + ": " + std::string(required->name) + ": missing, expected the tensors of cell " + std::string(cell_.name) + ", found " +
                            (some.empty() ? "no tensors" : join(some, ", ") + (names_.size() > some.size() ? ", ..." : "")));
        }
        if (modules.size() > 1) modules = {only_fit(std::move(modules))};
        check_layers(modules.front());
        return std::move(modules.front());
    }

    /// Of several modules with names of the cell's, the one that has its shapes.
    WeightsModule only_fit(std::vector<WeightsModule> modules) const {
        std::vector<std::string> prefixes, problems;
        std::vector<WeightsModule> fitting;
        for (WeightsModule& module : modules) {
            cells::Shape shape;
            const auto misfit = fit_shape(*file_, module, form_of(module), options_.partial, shape);
            const std::string shown = module.prefix.empty() ? "(no prefix)" : module.prefix;
            if (misfit) {
                problems.push_back(shown + ": " + misfit->tensor + ": " + misfit->problem);
            } else {
                prefixes.push_back(shown);
                fitting.push_back(std::move(module));
            }
        }
        if (fitting.size() == 1) return std::move(fitting.front());
        if (fitting.empty()) throw DataError(path_ + ": found several modules, none of which is of cell " + std::string(cell_.name) + ": " + join(problems, "; "));
        throw DataError(path_ + ": found several modules of cell " + std::string(cell_.name) + ": " + join(prefixes, ", ") +
                        "; expected one: save the wanted one in a file of its own");
    }

    void check_layers(const WeightsModule& module) const {
        const bool plain = module.layers.empty() || (module.layers.size() == 1 && module.layers.front() == 0);
        if (!options_.layer && plain) return;
        if (options_.layer && std::ranges::find(module.layers, *options_.layer) != module.layers.end()) return;
        std::vector<std::string> words;
        for (const int64_t layer : module.layers) words.push_back(std::to_string(layer));
        const std::string what = words.empty() ? "no layers" : (words.size() == 1 ? "layer " : "layers ") + join(words, ", ");
        if (options_.layer) throw DataError(path_ + ": found " + what + ", expected layer " + std::to_string(*options_.layer));
        throw DataError(path_ + ": found " + what + ", expected layer 0 alone; choose one with --layer");
    }

    /// Our own files may hold anything beside the weights of the cell that they name.
    bool is_ours() const {
        const auto cell = file_->text("cell");
        if (!cell || !file_->text("version")) return false;
        return *cell == cell_.name || *cell == cell_.gated_form_of || (gated_ != nullptr && *cell == gated_->name);
    }

    void refuse_unknown(const WeightsModule& module) const {
        if (is_ours()) return;
        const cells::CellSpec& cell = form_of(module);
        std::vector<std::string> known;
        for (const cells::TensorSpec& tensor : cell.tensors) known.emplace_back(tensor.name);
        for (const auto& [name, full] : module.full_names) {
            if (!layer_of(name) || std::ranges::find(known, name) != known.end()) continue;
            const std::string hint = name.ends_with("_reverse")          ? ": a network of two directions is none of this program's cells"
                                     : name.starts_with("weight_hr_") ? ": an LSTM with a projection (proj_size) is none of this program's cells"
                                                                      : "";
            fail(module, {name, "found a tensor that cell " + std::string(cell.name) + " does not have, expected only " + join(known, ", ") + hint});
        }
    }

    void read_scalar(const WeightsModule& module, const std::string& name, WeightsFile& weights) const {
        if (const auto value = file_->number(name)) {
            weights.parameters.scalars[name] = *value;
            return;
        }
        for (const std::string& full : {module.prefix + name, name}) {
            if (!std::ranges::binary_search(names_, full)) continue;
            const io::Dims dims = file_->dims(full);
            if (std::ranges::any_of(dims, [](int64_t d) { return d != 1; })) {
                throw DataError(path_ + ": " + full + ": found shape " + to_text(dims) + ", expected one number");
            }
            weights.parameters.scalars[name] = file_->read(full).front();
            return;
        }
    }

    /// As it is called, or beside the cell: behind the prefix or a part of it.
    std::optional<std::string> find_extra(std::string prefix, const std::string& name) const {
        for (;;) {
            if (std::ranges::binary_search(names_, prefix + name)) return prefix + name;
            if (prefix.empty()) return std::nullopt;
            const std::size_t end = prefix.find_last_of("./", prefix.size() - 2);
            prefix.resize(prefix.size() == 1 || end == std::string::npos ? 0 : end + 1);
        }
    }

    std::string path_;
    const cells::CellSpec& cell_;
    const cells::CellSpec* gated_;
    const WeightsOptions& options_;
    std::unique_ptr<WeightsSource> file_;
    std::vector<std::string> names_;
};

}  // namespace

WeightsFile read_weights(const std::filesystem::path& file, const cells::CellSpec& cell, const WeightsOptions& options) {
    return Reading(file, cell, options).result();
}

void write_weights(io::H5Writer& file, const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& parameters) {
    for (const cells::TensorSpec& tensor : cell.tensors) {
        const auto found = parameters.tensors.find(tensor.name);
        if (found != parameters.tensors.end()) file.write(std::string(tensor.name), found->second, dims_of(tensor, shape));
    }
    for (const auto& [name, value] : parameters.scalars) file.attribute("/", name, value);
}

}  // namespace aelle::learn
