#pragma once
/// HDF5 files, with labelled dimensions. The only header through which HDF5 is reached.
///
/// A file is built in memory and written by `commit` as bytes of our own: temporary name, write, fsync, rename. So a full disk is a
/// plain IoError and a reader sees the whole file or none. No two threads may be inside this room at once (HDF5 is not built
/// thread-safe everywhere); the library takes a process-wide lock.
///
/// Object names are paths inside the file ("exponents", "example/target"); groups are created as needed.
/// Arrays are row-major, as HDF5 stores them: `dims` lists the slowest dimension first.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace aelle::io {

using Dims = std::vector<int64_t>;
using AttributeValue = std::variant<std::string, double, int64_t, bool, std::vector<std::string>, std::vector<double>>;

/// Whether a file carries a CRC-32 of itself behind the HDF5 data, which `H5Reader` then demands. For files that only we write
/// (shards, checkpoints), not for those that users may extend.
enum class Checksum { none, trailer };

class H5Writer {
public:
    H5Writer();
    ~H5Writer();
    H5Writer(const H5Writer&) = delete;
    H5Writer& operator=(const H5Writer&) = delete;

    /// T is double, float, int64_t, int32_t, uint8_t or std::byte. The number of values must be the product of `dims` (an empty `dims`
    /// is a scalar). bool data are written as uint8_t.
    template <class T>
    void write(const std::string& name, std::span<const T> values, const Dims& dims);
    template <class T>
    void write(const std::string& name, const std::vector<T>& values, const Dims& dims) {
        write(name, std::span<const T>(values), dims);
    }
    /// Fixed-length UTF-8, padded with NUL to the longest.
    void write_strings(const std::string& name, const std::vector<std::string>& values, const Dims& dims);

    /// Sets an attribute of a dataset or group; `object` "/" is the root. Strings are fixed-length UTF-8.
    void attribute(const std::string& object, const std::string& name, const AttributeValue& value);

    /// Makes a one-dimensional dataset the scale of a dimension called `label`.
    void make_scale(const std::string& dataset, const std::string& label);
    /// Labels dimension `axis` of `dataset` with a scale made before.
    void attach_scale(const std::string& dataset, int axis, const std::string& scale);

    /// Writes the file and renames it over `file`. Throws CannotCreate (no folder, no permission) or IoError (disk full). The writer
    /// is closed after this, also when it throws.
    void commit(const std::filesystem::path& file, Checksum checksum = Checksum::none);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

class H5Reader {
public:
    /// Throws MissingInput when there is no such file, DataError when it is not HDF5, is truncated, or fails its checksum.
    explicit H5Reader(const std::filesystem::path& file, Checksum checksum = Checksum::none);
    ~H5Reader();
    H5Reader(H5Reader&&) noexcept;
    H5Reader& operator=(H5Reader&&) noexcept;

    const std::filesystem::path& file() const;
    bool has(const std::string& name) const;                            ///< a dataset or group of that name
    std::vector<std::string> datasets(const std::string& group = "/") const;  ///< names of direct children that are datasets, sorted
    std::vector<std::string> groups(const std::string& group = "/") const;    ///< the same for groups
    Dims dims(const std::string& name) const;                           ///< DataError when it is missing

    /// Converts from any real or integer type to T (the types of `H5Writer::write`). DataError names file and dataset when it is missing
    /// or not numeric. The size in the file is checked against the file's own length before memory is taken.
    template <class T>
    std::vector<T> read(const std::string& name) const;
    /// The same, and DataError unless the dimensions are `expected` (-1: any).
    template <class T>
    std::vector<T> read(const std::string& name, const Dims& expected) const;
    std::vector<std::string> read_strings(const std::string& name) const;
    /// The elements as they are in the file, whatever their type: for comparing files.
    std::vector<std::byte> raw_bytes(const std::string& name) const;

    std::optional<AttributeValue> attribute(const std::string& object, const std::string& name) const;
    std::string text(const std::string& object, const std::string& name) const;      ///< DataError when missing or not a string
    double number(const std::string& object, const std::string& name) const;         ///< DataError when missing or not a number

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Version of the HDF5 library in use.
std::string hdf5_version();

}  // namespace aelle::io
