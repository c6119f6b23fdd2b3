#pragma once
/// safetensors files (https://github.com/huggingface/safetensors): 8 bytes with the length of a JSON header (little-endian), the header, the
/// tensors' bytes. The only header through which nlohmann-json is reached.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "aelle/io/h5.hpp"

namespace aelle::io {

class SafetensorsReader {
public:
    /// Reads the file and checks its header. MissingInput when there is no such file; DataError, naming file, tensor, found and expected, for a
    /// header that is longer than the file (or than 100 MB, the format's limit) or not what the format allows: other keys, a name twice,
    /// sizes or offsets that are negative or too large, tensors that overlap, leave holes or end beyond the file. No memory is taken for what
    /// the header only claims.
    explicit SafetensorsReader(const std::filesystem::path& file);
    /// The same for the bytes of a file; `origin` stands for its name in messages.
    SafetensorsReader(std::vector<std::byte> content, std::string origin);

    std::vector<std::string> names() const;  ///< of all tensors, sorted
    bool has(const std::string& name) const;
    const Dims& dims(const std::string& name) const;  ///< DataError when it is missing

    /// Values of a tensor of type F64, F32, F16 or BF16, row-major. DataError when it is missing or of another type.
    std::vector<double> read(const std::string& name) const;

    const std::map<std::string, std::string>& metadata() const { return metadata_; }  ///< `__metadata__`

private:
    struct Tensor {
        std::string type;
        Dims dims;
        uint64_t first = 0, last = 0;  ///< bytes behind the header
    };
    const Tensor& tensor(const std::string& name) const;
    void parse();
    void check(const std::string& name, const Tensor& tensor) const;
    void check_layout() const;
    [[noreturn]] void fail(const std::string& name, const std::string& message) const;

    friend class SafetensorsHeader;
    std::string origin_;
    std::vector<std::byte> content_;
    std::size_t data_ = 0;  ///< where the tensors' bytes begin
    std::map<std::string, Tensor> tensors_;
    std::map<std::string, std::string> metadata_;
};

/// True for the first bytes (at least 9) of a safetensors file.
bool looks_like_safetensors(std::span<const std::byte> start);

}  // namespace aelle::io
