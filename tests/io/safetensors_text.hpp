#pragma once
/// Writing safetensors files, good ones and bad ones.

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace aelle::test {

/// Any header before any data; `length` overrides what the first eight bytes say.
inline std::string safetensors_file(const std::string& header, const std::string& data, int64_t length = -1) {
    const uint64_t said = length < 0 ? header.size() : static_cast<uint64_t>(length);
    std::string text;
    for (int i = 0; i < 8; ++i) text += static_cast<char>(static_cast<unsigned char>(said >> (8 * i)));
    return text + header + data;
}

/// Tensors one behind another.
class SafetensorsWriter {
public:
    template <class T>
    SafetensorsWriter& add(const std::string& name, const std::string& type, const std::vector<int64_t>& shape, const std::vector<T>& values) {
        const std::size_t first = data_.size();
        data_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
        std::string sizes;
        for (const int64_t size : shape) sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
        entry("\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":[" + sizes + "],\"data_offsets\":[" + std::to_string(first) + "," +
              std::to_string(data_.size()) + "]}");
        return *this;
    }
    SafetensorsWriter& metadata(const std::string& json) {
        entry("\"__metadata__\":" + json);
        return *this;
    }
    std::string text() const { return safetensors_file("{" + header_ + "}", data_); }

private:
    void entry(const std::string& json) { header_ += (header_.empty() ? "" : ",") + json; }
    std::string header_, data_;
};

}  // namespace aelle::test
