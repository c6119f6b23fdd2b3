#include "weights_source.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <string_view>

#include "aelle/base/error.hpp"
#include "aelle/io/safetensors.hpp"

namespace aelle::learn {
namespace {

class H5Weights final : public WeightsSource {
public:
    explicit H5Weights(const std::filesystem::path& file) : file_(file) { collect("", 0); }
    std::vector<std::string> names() const override { return names_; }
    io::Dims dims(const std::string& tensor) const override { return file_.dims(tensor); }
    std::vector<double> read(const std::string& tensor) const override { return file_.read<double>(tensor); }
    std::optional<double> number(const std::string& name) const override {
        if (!file_.attribute("/", name)) return std::nullopt;
        return file_.number("/", name);
    }
    std::optional<std::string> text(const std::string& name) const override {
        const auto value = file_.attribute("/", name);
        if (value && std::holds_alternative<std::string>(*value)) return std::get<std::string>(*value);
        return std::nullopt;
    }

private:
    /// Links can form circles, so that depth and number are limited.
    void collect(const std::string& prefix, int depth) {
        constexpr int deepest = 6;
        constexpr std::size_t most = 10'000;
        const std::string group = prefix.empty() ? "/" : prefix.substr(0, prefix.size() - 1);
        for (const std::string& name : file_.datasets(group)) names_.push_back(prefix + name);
        if (depth == deepest) return;
        for (const std::string& name : file_.groups(group)) {
            if (names_.size() > most || ++groups_ > most) {
                throw DataError(file_.file().string() + ": found more than " + std::to_string(most) + " datasets or groups, expected the weights of a network");
            }
            collect(prefix + name + "/", depth + 1);
        }
        if (depth == 0) std::ranges::sort(names_);
    }

    io::H5Reader file_;
    std::vector<std::string> names_;
    std::size_t groups_ = 0;
};

class SafetensorsWeights final : public WeightsSource {
public:
    explicit SafetensorsWeights(const std::filesystem::path& file) : path_(file.string()), file_(file) {}
    std::vector<std::string> names() const override { return file_.names(); }
    io::Dims dims(const std::string& tensor) const override { return file_.dims(tensor); }
    std::vector<double> read(const std::string& tensor) const override { return file_.read(tensor); }
    std::optional<double> number(const std::string& name) const override {
        const auto found = text(name);
        if (!found) return std::nullopt;
        double value = 0.0;
        const char* end = found->data() + found->size();
        const auto [stop, error] = std::from_chars(found->data(), end, value);
        if (error != std::errc() || stop != end) throw DataError(path_ + ": __metadata__: " + name + ": found '" + found->substr(0, 60) + "', expected a number");
        return value;
    }
    std::optional<std::string> text(const std::string& name) const override {
        const auto found = file_.metadata().find(name);
        if (found == file_.metadata().end()) return std::nullopt;
        return found->second;
    }

private:
    std::string path_;
    io::SafetensorsReader file_;
};

std::string first_bytes(const std::filesystem::path& file) {
    std::array<char, 16> bytes{};
    std::ifstream stream(file, std::ios::binary);
    stream.read(bytes.data(), bytes.size());
    return {bytes.data(), static_cast<std::size_t>(stream.gcount())};
}

}  // namespace

std::unique_ptr<WeightsSource> open_weights(const std::filesystem::path& file) {
    std::error_code ignored;
    const std::string start = std::filesystem::is_regular_file(file, ignored) ? first_bytes(file) : "";
    if (start.starts_with("PK\x03\x04")) {
        throw DataError(file.string() + ": found a ZIP archive, as torch.save writes it, expected HDF5 or safetensors; in Python: "
                                        "safetensors.torch.save_file(network.state_dict(), \"net.safetensors\")");
    }
    const bool named = file.extension() == ".safetensors" && !start.starts_with("\x89HDF");
    if (named || io::looks_like_safetensors(std::as_bytes(std::span(start)))) return std::make_unique<SafetensorsWeights>(file);
    return std::make_unique<H5Weights>(file);
}

}  // namespace aelle::learn
