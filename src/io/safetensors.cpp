#include "aelle/io/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/file.hpp"

namespace aelle::io {
namespace {

constexpr std::size_t length_bytes = 8;
constexpr uint64_t longest_header = 100'000'000;
constexpr std::size_t highest_rank = 32;

/// Unsigned integer stored with its lowest byte first.
template <class T>
T little_endian(const std::byte* bytes) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value | std::to_integer<T>(bytes[i]) << (8 * i));
    return value;
}

/// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
double from_half(uint16_t bits) {
    const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    double value;
    if (exponent == 0x1f) {
        value = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    } else if (exponent == 0) {
        value = std::ldexp(fraction, -24);
    } else {
        value = std::ldexp(fraction + 1024, exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -value : value;
}

/// Bytes of an element; nothing for a type that this program does not know.
std::optional<uint64_t> element_size(const std::string& type) {
    if (type == "F64" || type == "I64" || type == "U64") return 8;
    if (type == "F32" || type == "I32" || type == "U32") return 4;
    if (type == "F16" || type == "BF16" || type == "I16" || type == "U16") return 2;
    if (type == "I8" || type == "U8" || type == "BOOL") return 1;
    return std::nullopt;
}

std::string to_text(const Dims& dims) {
    std::vector<std::string> words;
    for (const int64_t d : dims) words.push_back(std::to_string(d));
    return "(" + join(words, ", ") + ")";
}

/// A name from a file in a message.
std::string shown(const std::string& name) { return name.size() <= 120 ? name : name.substr(0, 120) + "..."; }

}  // namespace

/// Receives the JSON header event by event and takes nothing but what the format allows, so that a header cannot be deep or large in memory.
class SafetensorsHeader {
public:
    using Json = nlohmann::json;
    explicit SafetensorsHeader(SafetensorsReader& reader) : reader_(reader) {}

    bool null() { return unexpected("null"); }
    bool boolean(bool) { return unexpected("true or false"); }
    bool number_integer(Json::number_integer_t) { return unexpected("a negative number"); }
    bool number_float(Json::number_float_t, const std::string&) { return unexpected("a number that is no integer of 64 bits"); }
    bool binary(Json::binary_t&) { return unexpected("binary data"); }

    bool number_unsigned(Json::number_unsigned_t value) {
        if (place_ == Place::shape) {
            if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return unexpected("a size above 2^63");
            if (tensor_.dims.size() == highest_rank) return unexpected("more than 32 dimensions");
            tensor_.dims.push_back(static_cast<int64_t>(value));
            return true;
        }
        if (place_ != Place::offsets) return unexpected("a number");
        if (offsets_ == 2) return unexpected("more than two offsets");
        (offsets_ == 0 ? tensor_.first : tensor_.last) = value;
        ++offsets_;
        return true;
    }
    bool string(const std::string& text) {
        if (place_ == Place::metadata && !key_.empty()) {
            if (!reader_.metadata_.emplace(std::exchange(key_, ""), text).second) return unexpected("a key twice");
            return true;
        }
        if (place_ != Place::tensor || key_ != "dtype") return unexpected("text");
        tensor_.type = text;
        return true;
    }
    bool start_object(std::size_t) {
        if (place_ == Place::outside) place_ = Place::top;
        else if (place_ == Place::top) place_ = name_ == "__metadata__" ? Place::metadata : Place::tensor;
        else return unexpected("an object");
        return true;
    }
    bool key(const std::string& text) {
        if (place_ == Place::top) return start_entry(text);
        key_ = text;
        if (place_ == Place::metadata) return true;
        if (text != "dtype" && text != "shape" && text != "data_offsets") return unexpected("key '" + shown(text) + "'");
        if (std::ranges::find(seen_, text) != seen_.end()) return unexpected("key '" + text + "' twice");
        seen_.push_back(text);
        return true;
    }
    bool end_object() {
        if (place_ == Place::tensor) {
            if (seen_.size() != 3 || offsets_ != 2) return unexpected("an entry that is not complete");
            reader_.tensors_.emplace(name_, std::exchange(tensor_, {}));
        }
        place_ = place_ == Place::top ? Place::outside : Place::top;
        return true;
    }
    bool start_array(std::size_t) {
        if (place_ != Place::tensor || key_ == "dtype") return unexpected("a list");
        place_ = key_ == "shape" ? Place::shape : Place::offsets;
        return true;
    }
    bool end_array() {
        place_ = Place::tensor;
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
        reader_.fail("header", "found no JSON at byte " + std::to_string(position) + ", expected the JSON header of a safetensors file");
    }

private:
    enum class Place { outside, top, metadata, tensor, shape, offsets };

    bool start_entry(const std::string& name) {
        name_ = name;
        if (reader_.tensors_.contains(name) || (name == "__metadata__" && std::exchange(has_metadata_, true))) return unexpected("the name twice");
        key_.clear();
        seen_.clear();
        offsets_ = 0;
        tensor_ = {};
        return true;
    }
    [[noreturn]] bool unexpected(const std::string& what) const {
        reader_.fail(place_ == Place::outside ? "header" : name_,
                     "found " + what + ", expected {\"dtype\": text, \"shape\": sizes, \"data_offsets\": [first, last]} for each tensor and texts in "
                                       "__metadata__");
    }

    SafetensorsReader& reader_;
    Place place_ = Place::outside;
    std::string name_, key_;
    std::vector<std::string> seen_;
    SafetensorsReader::Tensor tensor_;
    int offsets_ = 0;
    bool has_metadata_ = false;
};

SafetensorsReader::SafetensorsReader(const std::filesystem::path& file) : origin_(file.string()) {
    std::error_code error;
    if (std::filesystem::exists(file, error) && !std::filesystem::is_regular_file(file, error)) {
        throw DataError(origin_ + ": is not a file, expected safetensors");
    }
    content_ = read_bytes(file);
    parse();
}

SafetensorsReader::SafetensorsReader(std::vector<std::byte> content, std::string origin)
    : origin_(std::move(origin)), content_(std::move(content)) {
    parse();
}

void SafetensorsReader::fail(const std::string& name, const std::string& message) const {
    throw DataError(origin_ + ": " + shown(name) + ": " + message);
}

void SafetensorsReader::parse() {
    const std::string size = std::to_string(content_.size());
    if (content_.size() < length_bytes) fail("header", "found a file of " + size + " bytes, expected at least 8, the length of the header");
    const auto length = little_endian<uint64_t>(content_.data());
    if (length > std::min<uint64_t>(content_.size() - length_bytes, longest_header)) {
        fail("header", "found a length of " + std::to_string(length) + ", expected at most what a file of " + size +
                           " bytes can hold, and 100000000: no safetensors file, or a truncated one");
    }
    data_ = length_bytes + static_cast<std::size_t>(length);
    const auto* text = reinterpret_cast<const char*>(content_.data()) + length_bytes;
    SafetensorsHeader header(*this);
    nlohmann::json::sax_parse(text, text + length, &header);
    for (const auto& [name, tensor] : tensors_) check(name, tensor);
    check_layout();
}

void SafetensorsReader::check(const std::string& name, const Tensor& tensor) const {
    const uint64_t available = content_.size() - data_;
    if (tensor.first > tensor.last || tensor.last > available) {
        fail(name, "data_offsets: found " + std::to_string(tensor.first) + " to " + std::to_string(tensor.last) + ", expected a part of the " +
                       std::to_string(available) + " bytes behind the header");
    }
    const std::optional<uint64_t> unit = element_size(tensor.type);
    if (!unit) return;  // a type of the future or of eight bits: an error when it is read
    uint64_t bytes = *unit;
    const bool empty = std::ranges::find(tensor.dims, 0) != tensor.dims.end();
    for (const int64_t d : tensor.dims) {
        if (empty) bytes = 0;
        else if (bytes > available / static_cast<uint64_t>(d)) bytes = std::numeric_limits<uint64_t>::max();
        else bytes *= static_cast<uint64_t>(d);
        if (bytes > available) break;
    }
    if (bytes != tensor.last - tensor.first) {
        fail(name, "found " + std::to_string(tensor.last - tensor.first) + " bytes, expected those of shape " + to_text(tensor.dims) + " and type " +
                       tensor.type);
    }
}

/// The format wants every byte behind the header to belong to one tensor: overlaps and holes can hide data.
void SafetensorsReader::check_layout() const {
    std::vector<std::pair<const std::string*, const Tensor*>> order;
    for (const auto& [name, tensor] : tensors_) order.emplace_back(&name, &tensor);
    std::ranges::sort(order, {}, [](const auto& entry) { return std::pair(entry.second->first, entry.second->last); });
    uint64_t end = 0;
    for (const auto& [name, tensor] : order) {
        if (tensor->first != end) {
            fail(*name, "data_offsets: found a beginning at " + std::to_string(tensor->first) + ", expected " + std::to_string(end) +
                            ", the end of the tensor before: tensors overlap or leave a hole");
        }
        end = tensor->last;
    }
    if (end != content_.size() - data_) {
        fail("header", "found tensors of " + std::to_string(end) + " bytes, expected the " + std::to_string(content_.size() - data_) +
                           " that stand behind it");
    }
}

std::vector<std::string> SafetensorsReader::names() const {
    std::vector<std::string> all;
    for (const auto& entry : tensors_) all.push_back(entry.first);
    return all;
}

bool SafetensorsReader::has(const std::string& name) const { return tensors_.contains(name); }

const SafetensorsReader::Tensor& SafetensorsReader::tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail(name, "missing, expected a tensor");
    return found->second;
}

const Dims& SafetensorsReader::dims(const std::string& name) const { return tensor(name).dims; }

std::vector<double> SafetensorsReader::read(const std::string& name) const {
    const Tensor& from = tensor(name);
    const std::byte* bytes = content_.data() + data_ + from.first;
    const uint64_t size = from.last - from.first;
    std::vector<double> values;
    const auto convert = [&](uint64_t unit, auto&& one) {
        values.resize(static_cast<std::size_t>(size / unit));
        for (double& value : values) {
            value = one(bytes);
            bytes += unit;
        }
    };
    if (from.type == "F64") convert(8, [](const std::byte* b) { return std::bit_cast<double>(little_endian<uint64_t>(b)); });
    else if (from.type == "F32") convert(4, [](const std::byte* b) { return double{std::bit_cast<float>(little_endian<uint32_t>(b))}; });
    else if (from.type == "F16") convert(2, [](const std::byte* b) { return from_half(little_endian<uint16_t>(b)); });
    else if (from.type == "BF16") convert(2, [](const std::byte* b) { return double{std::bit_cast<float>(uint32_t{little_endian<uint16_t>(b)} << 16)}; });
    else fail(name, "found type '" + shown(from.type) + "', expected F64, F32, F16 or BF16");
    return values;
}

bool looks_like_safetensors(std::span<const std::byte> start) {
    // No header of 100 MB or less uses the upper four bytes of its length.
    return start.size() > length_bytes && start[length_bytes] == std::byte{'{'} && little_endian<uint64_t>(start.data()) <= longest_header;
}

}  // namespace aelle::io
