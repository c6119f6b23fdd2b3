#include "aelle/embed/spectra_file.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <system_error>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/cells/spec.hpp"
#include "aelle/io/file.hpp"
#include "aelle/io/h5.hpp"

namespace aelle::embed {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::string_view trimmed(std::string_view text) {
    const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// NaN for an empty field, nothing for what is no number. Reads "nan", "inf" and "-inf" too.
std::optional<double> number(std::string_view field) {
    if (field.empty()) return nan;
    if (field.front() == '+' && field.size() > 1 && field[1] != '-') field.remove_prefix(1);
    double value = 0.0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (end != field.data() + field.size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) {  // from_chars does not say on which side
        value = std::strtod(std::string(field).c_str(), nullptr);
        return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
    }
    return error == std::errc() ? std::optional<double>(value) : std::nullopt;
}

/// At most 30 characters of a field, without control characters.
std::string quoted(std::string_view field) {
    std::string text(field.substr(0, 30));
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return "'" + text + (field.size() > 30 ? "..." : "") + "'";
}

std::vector<std::string_view> split_fields(std::string_view line) {
    std::vector<std::string_view> fields;
    for (std::size_t at = 0; at <= line.size();) {
        const std::size_t comma = std::min(line.find(',', at), line.size());
        fields.push_back(trimmed(line.substr(at, comma - at)));
        at = comma + 1;
    }
    return fields;
}

/// No field is a number, or they are 0, 1, 2, ...: two or more, for one exponent of zero is a spectrum.
bool is_header(const std::vector<std::string_view>& fields) {
    bool any_number = false, counts = fields.size() > 1;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto value = fields[i].empty() ? std::nullopt : number(fields[i]);
        any_number = any_number || value.has_value();
        counts = counts && fields[i] == std::to_string(i);
    }
    return !any_number || counts;
}

void drop_padding(std::vector<double>& row) {
    while (!row.empty() && std::isnan(row.back())) row.pop_back();
}

bool is_hdf5(const std::filesystem::path& file) {
    const std::string extension = file.extension().string();
    if (extension == ".h5" || extension == ".hdf5") return true;
    char start[8] = {};
    std::ifstream(file, std::ios::binary).read(start, sizeof start);
    return std::string_view(start, sizeof start) == std::string_view("\x89HDF\r\n\x1a\n", 8);
}

/// Empty where the dataset does not say.
std::string stated_kind(const io::H5Reader& file, const std::string& dataset) {
    return file.has(dataset) && file.attribute(dataset, "kind") ? file.text(dataset, "kind") : "";
}

/// The kind is the wanted one, or as good: the state of the cell that the file is of has nothing beside its hidden block.
bool is_of_kind(const io::H5Reader& file, const std::string& found, const std::string& wanted) {
    if (found.empty() || wanted.empty() || found == wanted) return true;
    const auto sorted = [](const std::string& kind) { return kind == "full" || kind == "hidden"; };
    return sorted(found) && sorted(wanted) && file.attribute("/", "cell") && cells::find_cell(file.text("/", "cell")).blocks == 1;
}

void check_kind(const io::H5Reader& file, const std::string& dataset, const std::string& wanted) {
    const std::string found = stated_kind(file, dataset);
    if (is_of_kind(file, found, wanted)) return;
    throw DataError(file.file().string() + ": " + dataset + ": found spectra of kind \"" + found + "\", expected \"" + wanted +
                    "\", the kind that the model was fitted to");
}

std::string default_dataset(const io::H5Reader& file, const std::string& kind) {
    if (!kind.empty() && stated_kind(file, "exponents") != kind && file.has("exponents_" + kind)) return "exponents_" + kind;
    const bool spectrum = file.has("spectrum");
    if (spectrum && file.dims("spectrum").size() == 1) return "spectrum";
    if (file.has("exponents")) return "exponents";
    if (spectrum) return "spectrum";
    throw DataError(file.file().string() + ": found neither 'exponents' nor 'spectrum', expected one of these datasets");
}

/// Index of the wanted epoch, or of the last.
int64_t epoch_index(const io::H5Reader& file, const std::string& dataset, int64_t count, std::optional<int64_t> wanted, std::optional<int64_t>& epoch) {
    const std::string name = file.file().string() + ": ";
    if (!file.has("epoch")) throw DataError(name + dataset + ": found 3 dimensions and no dataset 'epoch', expected (networks, exponents)");
    const auto epochs = file.read<int64_t>("epoch", {count});
    if (epochs.empty()) throw DataError(name + "epoch: found none, expected at least one");
    const auto found = wanted ? std::find(epochs.begin(), epochs.end(), *wanted) : epochs.end() - 1;
    if (found == epochs.end()) {
        std::vector<std::string> known;
        for (const int64_t e : epochs) known.push_back(std::to_string(e));
        throw DataError(name + "epoch: found no " + std::to_string(*wanted) + ", expected one of " + join(known, ", "));
    }
    epoch = *found;
    return found - epochs.begin();
}

/// Row i of `exponents` ends after `dimension`[i] of them; without that dataset, and in other datasets, before NaN at its end.
void cut_rows(const io::H5Reader& file, SpectraFile& result) {
    if (result.dataset != "exponents" || !file.has("dimension")) {
        for (auto& row : result.spectra) drop_padding(row);
        return;
    }
    const auto dimension = file.read<int64_t>("dimension", {static_cast<int64_t>(result.spectra.size())});
    for (std::size_t i = 0; i < dimension.size(); ++i) {
        const auto length = static_cast<int64_t>(result.spectra[i].size());
        if (dimension[i] < 0 || dimension[i] > length) {
            throw DataError(file.file().string() + ": dimension: found " + std::to_string(dimension[i]) + " for network " + std::to_string(i) +
                            ", expected from 0 to " + std::to_string(length));
        }
        result.spectra[i].resize(static_cast<std::size_t>(dimension[i]));
    }
}

SpectraFile read_hdf5(const std::filesystem::path& path, const std::string& wanted, std::optional<int64_t> epoch, const std::string& kind) {
    const io::H5Reader file(path);
    SpectraFile result;
    result.dataset = wanted.empty() ? default_dataset(file, kind) : wanted;
    const io::Dims dims = file.dims(result.dataset);
    if (dims.empty() || dims.size() > 3) {
        throw DataError(path.string() + ": " + result.dataset + ": found " + std::to_string(dims.size()) + " dimensions, expected from 1 to 3");
    }
    check_kind(file, result.dataset, kind);
    auto values = file.read<double>(result.dataset);
    const auto units = file.attribute(result.dataset, "units");
    if (units == io::AttributeValue(std::string("bits per step"))) {
        for (double& x : values) x *= std::log(2.0);
    }
    const int64_t epochs = dims.size() == 3 ? dims[1] : 1, width = dims.back(), networks = dims.size() == 1 ? 1 : dims[0];
    const int64_t index = dims.size() == 3 ? epoch_index(file, result.dataset, epochs, epoch, result.epoch) : 0;
    for (int64_t i = 0; i < networks; ++i) {
        const auto first = values.begin() + (i * epochs + index) * width;
        result.spectra.emplace_back(first, first + width);
    }
    if (dims.size() > 1) cut_rows(file, result);
    return result;
}

}  // namespace

std::vector<std::vector<double>> parse_csv(std::string_view text, const std::string& name) {
    std::vector<std::vector<double>> rows;
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
    std::size_t width = 0;
    int64_t line_number = 0, width_line = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const char* const line_start = text.data() + at;
        const std::string_view line = trimmed(text.substr(at, end - at));
        at = end + 1;
        ++line_number;
        if (line.empty() || line.front() == '#') continue;
        const auto fields = split_fields(line);
        const std::string place = name + ":" + std::to_string(line_number);
        if (width_line == 0) {
            width = fields.size();
            width_line = line_number;
            if (is_header(fields)) continue;
        }
        if (fields.size() != width) {
            throw DataError(place + ": found " + std::to_string(fields.size()) + " fields, expected " + std::to_string(width) + " as in line " +
                            std::to_string(width_line) + " (leave fields empty where a network has fewer exponents)");
        }
        std::vector<double> row;
        for (const std::string_view field : fields) {
            const auto value = number(field);
            if (!value) {
                throw DataError(place + ":" + std::to_string(field.data() - line_start + 1) + ": column " + std::to_string(row.size() + 1) + ": found " +
                                quoted(field) + ", expected a number");
            }
            row.push_back(*value);
        }
        drop_padding(row);
        rows.push_back(std::move(row));
    }
    if (rows.empty()) throw DataError(name + ": found no line with numbers, expected one network a line");
    return rows;
}

SpectraFile read_spectra(const std::filesystem::path& file, const std::string& dataset, std::optional<int64_t> epoch, const std::string& kind) {
    if (!dataset.empty() || is_hdf5(file)) return read_hdf5(file, dataset, epoch, kind);
    return {parse_csv(io::read_text(file), file.string()), "", std::nullopt};
}

}  // namespace aelle::embed
