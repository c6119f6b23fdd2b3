#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/file.hpp"
#include "aelle/io/h5.hpp"
#include "h5_handle.hpp"

namespace aelle::io {
namespace {

std::string to_text(const Dims& dims) {
    std::vector<std::string> words;
    for (const int64_t d : dims) words.push_back(d < 0 ? "any" : std::to_string(d));
    return "(" + join(words, ", ") + ")";
}

/// Unpadded text of a fixed-length cell.
std::string cell_text(const char* cell, std::size_t length) {
    std::size_t end = 0;
    while (end < length && cell[end] != '\0') ++end;
    return {cell, end};
}

void check_trailer(const std::filesystem::path& path) {
    const std::vector<std::byte> content = read_bytes(path);
    const std::size_t size = content.size() < trailer_size ? 0 : content.size() - trailer_size;
    const std::string found(reinterpret_cast<const char*>(content.data() + size), content.size() - size);
    if (size == 0 || found != make_trailer(content.data(), size)) {
        throw DataError(path.string() + ": damaged or truncated: its checksum is missing or wrong");
    }
}

}  // namespace

struct H5Reader::Impl {
    std::filesystem::path path;
    uint64_t file_size = 0;
    Handle file;

    [[noreturn]] void fail(const std::string& name, const std::string& message) const {
        throw DataError(path.string() + ": " + name + ": " + message);
    }

    Handle open_dataset(const std::string& name) const {
        if (!exists(name)) fail(name, "missing, expected a dataset");
        Handle set(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
        if (!set) fail(name, "cannot be opened as a dataset: " + h5_error());
        return set;
    }

    /// H5Lexists wants every step of a path to exist.
    bool exists(const std::string& name) const {
        if (name == "/") return true;
        for (std::size_t slash = name.find('/', 1);; slash = name.find('/', slash + 1)) {
            if (H5Lexists(file.get(), name.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
            if (slash == std::string::npos) return H5Oexists_by_name(file.get(), name.c_str(), H5P_DEFAULT) > 0;
        }
    }

    Dims dims_of(const Handle& set, const std::string& name) const {
        const Handle space(H5Dget_space(set.get()), H5Sclose);
        const int rank = H5Sget_simple_extent_ndims(space.get());
        if (rank < 0 || H5Sget_simple_extent_type(space.get()) == H5S_NULL) fail(name, "found no dataspace, expected an array");
        std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
        H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
        for (const hsize_t size : sizes) {
            if (size > static_cast<hsize_t>(std::numeric_limits<int64_t>::max())) fail(name, "found a dimension of more than 2^63 elements");
        }
        return {sizes.begin(), sizes.end()};
    }

    /// Elements of a dataset, refused when they cannot be in a file of this size: a header may claim anything. Compression may
    /// shrink data a thousandfold, rarely more.
    std::size_t count_of(const Handle& set, const std::string& name, std::size_t element_size) const {
        const uint64_t most = file_size * 1024 / std::max<std::size_t>(1, element_size) + 1;
        uint64_t count = 1;
        for (const int64_t d : dims_of(set, name)) {
            const auto size = static_cast<uint64_t>(d);
            if (size == 0) return 0;
            if (count > most / size) fail(name, "found shape " + to_text(dims_of(set, name)) + ", expected what a file of " + byte_size(static_cast<double>(file_size)) + " can hold");
            count *= size;
        }
        return count;
    }

    std::vector<std::string> children(const std::string& group, H5O_type_t wanted) const {
        std::vector<std::string> names;
        const Handle handle(H5Gopen2(file.get(), group.c_str(), H5P_DEFAULT), H5Gclose);
        if (!handle) fail(group, "missing, expected a group");
        H5G_info_t info{};
        H5Gget_info(handle.get(), &info);
        for (hsize_t i = 0; i < info.nlinks; ++i) {
            const ssize_t length = H5Lget_name_by_idx(handle.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
            if (length < 0) continue;
            std::string name(static_cast<std::size_t>(length), '\0');
            H5Lget_name_by_idx(handle.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, name.data(), name.size() + 1, H5P_DEFAULT);
            const Handle object(H5Oopen(handle.get(), name.c_str(), H5P_DEFAULT), H5Oclose);
            if (!object) continue;
            const H5I_type_t type = H5Iget_type(object.get());
            if (type == (wanted == H5O_TYPE_DATASET ? H5I_DATASET : H5I_GROUP)) names.push_back(name);
        }
        std::sort(names.begin(), names.end());
        return names;
    }
};

H5Reader::H5Reader(const std::filesystem::path& path, Checksum checksum) : impl_(std::make_unique<Impl>()) {
    const std::lock_guard lock(h5_mutex());
    silence_h5();
    impl_->path = path;
    std::error_code error;
    if (!std::filesystem::exists(path, error)) throw MissingInput(path.string() + ": not found");
    if (!std::filesystem::is_regular_file(path, error)) throw DataError(path.string() + ": is not a file, expected HDF5");
    if (std::ifstream probe(path); !probe) throw IoError(path.string() + ": cannot be opened for reading");
    impl_->file_size = std::filesystem::file_size(path);
    if (checksum == Checksum::trailer) check_trailer(path);
    if (H5Fis_hdf5(path.c_str()) <= 0) throw DataError(path.string() + ": not an HDF5 file, or a truncated one");
    impl_->file = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    if (!impl_->file) throw DataError(path.string() + ": cannot be read as HDF5: " + h5_error());
}

H5Reader::~H5Reader() {
    const std::lock_guard lock(h5_mutex());
    impl_.reset();
}

H5Reader::H5Reader(H5Reader&&) noexcept = default;
H5Reader& H5Reader::operator=(H5Reader&&) noexcept = default;

const std::filesystem::path& H5Reader::file() const { return impl_->path; }

bool H5Reader::has(const std::string& name) const {
    const std::lock_guard lock(h5_mutex());
    return impl_->exists(name);
}

std::vector<std::string> H5Reader::datasets(const std::string& group) const {
    const std::lock_guard lock(h5_mutex());
    return impl_->children(group, H5O_TYPE_DATASET);
}

std::vector<std::string> H5Reader::groups(const std::string& group) const {
    const std::lock_guard lock(h5_mutex());
    return impl_->children(group, H5O_TYPE_GROUP);
}

Dims H5Reader::dims(const std::string& name) const {
    const std::lock_guard lock(h5_mutex());
    return impl_->dims_of(impl_->open_dataset(name), name);
}

template <class T>
std::vector<T> H5Reader::read(const std::string& name) const {
    const std::lock_guard lock(h5_mutex());
    const Handle set = impl_->open_dataset(name);
    const Handle type(H5Dget_type(set.get()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.get());
    const bool flag = kind == H5T_ENUM;  // how h5py stores booleans
    if (kind != H5T_INTEGER && kind != H5T_FLOAT && !flag) impl_->fail(name, "found data that are not numbers, expected numbers");
    const std::size_t count = impl_->count_of(set, name, H5Tget_size(type.get()));
    std::vector<T> values(count);
    if (count == 0) return values;
    const Handle base(flag ? H5Tget_super(type.get()) : H5Tcopy(type.get()), H5Tclose);
    if (flag && H5Tget_size(base.get()) == 1) {
        std::vector<int8_t> small(count);
        if (H5Dread(set.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, small.data()) < 0) impl_->fail(name, "cannot be read: " + h5_error());
        for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(small[i]);
        return values;
    }
    if (H5Dread(set.get(), h5_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
        impl_->fail(name, "cannot be read: " + h5_error());
    }
    return values;
}

template <class T>
std::vector<T> H5Reader::read(const std::string& name, const Dims& expected) const {
    const std::lock_guard lock(h5_mutex());
    const Dims found = dims(name);
    bool same = found.size() == expected.size();
    for (std::size_t i = 0; same && i < found.size(); ++i) same = expected[i] < 0 || expected[i] == found[i];
    if (!same) impl_->fail(name, "found shape " + to_text(found) + ", expected " + to_text(expected));
    return read<T>(name);
}

#define AELLE_READ(T)                                                   \
    template std::vector<T> H5Reader::read(const std::string&) const; \
    template std::vector<T> H5Reader::read(const std::string&, const Dims&) const;
AELLE_READ(double)
AELLE_READ(float)
AELLE_READ(int64_t)
AELLE_READ(int32_t)
AELLE_READ(uint8_t)
AELLE_READ(std::byte)
#undef AELLE_READ

std::vector<std::byte> H5Reader::raw_bytes(const std::string& name) const {
    const std::lock_guard lock(h5_mutex());
    const Handle set = impl_->open_dataset(name);
    const Handle type(H5Dget_type(set.get()), H5Tclose);
    if (H5Tdetect_class(type.get(), H5T_VLEN) > 0 || H5Tis_variable_str(type.get()) > 0) impl_->fail(name, "found elements of variable length");
    const std::size_t size = H5Tget_size(type.get());
    std::vector<std::byte> bytes(impl_->count_of(set, name, size) * size);
    if (!bytes.empty() && H5Dread(set.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) {
        impl_->fail(name, "cannot be read: " + h5_error());
    }
    return bytes;
}

std::vector<std::string> H5Reader::read_strings(const std::string& name) const {
    const std::lock_guard lock(h5_mutex());
    const Handle set = impl_->open_dataset(name);
    const Handle type(H5Dget_type(set.get()), H5Tclose);
    if (H5Tget_class(type.get()) != H5T_STRING) impl_->fail(name, "found data that are not text, expected text");
    if (H5Tis_variable_str(type.get()) > 0) impl_->fail(name, "found text of variable length, expected fixed length");
    const std::size_t length = H5Tget_size(type.get());
    const std::size_t count = impl_->count_of(set, name, length);
    std::vector<char> cells(count * length);
    if (count > 0 && H5Dread(set.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, cells.data()) < 0) {
        impl_->fail(name, "cannot be read: " + h5_error());
    }
    std::vector<std::string> values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(cell_text(cells.data() + i * length, length));
    return values;
}

std::optional<AttributeValue> H5Reader::attribute(const std::string& object, const std::string& name) const {
    const std::lock_guard lock(h5_mutex());
    if (!impl_->exists(object)) return std::nullopt;
    if (H5Aexists_by_name(impl_->file.get(), object.c_str(), name.c_str(), H5P_DEFAULT) <= 0) return std::nullopt;
    const Handle attribute(H5Aopen_by_name(impl_->file.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    const Handle type(attribute ? H5Aget_type(attribute.get()) : -1, H5Tclose);
    const Handle space(attribute ? H5Aget_space(attribute.get()) : -1, H5Sclose);
    if (!attribute || !type || !space) impl_->fail("attribute " + name, "cannot be read: " + h5_error());
    const hssize_t count = H5Sget_simple_extent_npoints(space.get());
    const bool scalar = H5Sget_simple_extent_type(space.get()) == H5S_SCALAR;
    const std::size_t size = H5Tget_size(type.get());
    if (count < 0 || static_cast<uint64_t>(count) * size > impl_->file_size) impl_->fail("attribute " + name, "is larger than the file");
    const auto elements = static_cast<std::size_t>(count);
    switch (H5Tget_class(type.get())) {
        case H5T_STRING: {
            if (H5Tis_variable_str(type.get()) > 0) {
                if (!scalar) impl_->fail("attribute " + name, "found a list of texts of variable length, expected fixed length");
                char* text = nullptr;
                if (H5Aread(attribute.get(), type.get(), static_cast<void*>(&text)) < 0) impl_->fail("attribute " + name, h5_error());
                const std::string value = text == nullptr ? "" : text;
                H5free_memory(text);
                return AttributeValue(value);
            }
            std::vector<char> cells(elements * size);
            if (H5Aread(attribute.get(), type.get(), cells.data()) < 0) impl_->fail("attribute " + name, h5_error());
            std::vector<std::string> values;
            for (std::size_t i = 0; i < elements; ++i) values.push_back(cell_text(cells.data() + i * size, size));
            if (scalar) return AttributeValue(values.front());
            return AttributeValue(values);
        }
        case H5T_INTEGER: {
            std::vector<int64_t> values(elements);
            if (H5Aread(attribute.get(), H5T_NATIVE_INT64, values.data()) < 0) impl_->fail("attribute " + name, h5_error());
            if (scalar) return AttributeValue(values.front());
            return AttributeValue(std::vector<double>(values.begin(), values.end()));
        }
        case H5T_FLOAT: {
            std::vector<double> values(elements);
            if (H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, values.data()) < 0) impl_->fail("attribute " + name, h5_error());
            if (scalar) return AttributeValue(values.front());
            return AttributeValue(values);
        }
        default: impl_->fail("attribute " + name, "found neither text nor numbers");
    }
}

std::string H5Reader::text(const std::string& object, const std::string& name) const {
    const auto value = attribute(object, name);
    if (!value || !std::holds_alternative<std::string>(*value)) {
        impl_->fail("attribute " + name + " of " + object, std::string(value ? "found a number or list" : "missing") + ", expected text");
    }
    return std::get<std::string>(*value);
}

double H5Reader::number(const std::string& object, const std::string& name) const {
    const auto value = attribute(object, name);
    if (value && std::holds_alternative<double>(*value)) return std::get<double>(*value);
    if (value && std::holds_alternative<int64_t>(*value)) return static_cast<double>(std::get<int64_t>(*value));
    impl_->fail("attribute " + name + " of " + object, std::string(value ? "found text or a list" : "missing") + ", expected a number");
}

std::string hdf5_version() {
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

}  // namespace aelle::io
