#include <algorithm>
#include <fstream>
#include <limits>
#include <type_traits>

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

/// Called by HDF5 where a number has no exact counterpart of integer type; without it such numbers are clipped or cut.
H5T_conv_ret_t refuse_inexact(H5T_conv_except_t kind, hid_t, hid_t, void*, void*, void* inexact) {
    if (kind == H5T_CONV_EXCEPT_PRECISION) return H5T_CONV_UNHANDLED;
    *static_cast<bool*>(inexact) = true;
    return H5T_CONV_ABORT;
}

template <class T>
std::string integer_range() {
    if constexpr (sizeof(T) == 8) return "64-bit integers";
    else if constexpr (sizeof(T) == 4) return "32-bit integers";
    else return "integers from 0 to 255";
}

template <class T>
AttributeValue one_or_all(const std::vector<T>& values, bool scalar) {
    if (scalar) return AttributeValue(values.front());
    return AttributeValue(values);
}

/// Memory for texts of variable length, whose claimed sizes nobody has checked; freed with this object.
class Allowance {
public:
    explicit Allowance(uint64_t bytes) : left_(bytes) {}
    static void* take(std::size_t size, void* allowance) {
        auto& self = *static_cast<Allowance*>(allowance);
        if (size > self.left_) return nullptr;
        self.left_ -= size;
        return self.blocks_.emplace_back(new std::byte[size]).get();
    }
    static void keep(void*, void*) {}

private:
    uint64_t left_;
    std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

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
            if (size > static_cast<hsize_t>(std::numeric_limits<int64_t>::max())) fail(name, "found a dimension above 2^63");
        }
        return {sizes.begin(), sizes.end()};
    }

    /// Elements of a dataset, refused when they cannot be in a file of this size: a header may claim anything.
    std::size_t count_of(const Handle& set, const std::string& name, std::size_t element_size) const {
        const Handle properties(H5Dget_create_plist(set.get()), H5Pclose);
        // Deflate shrinks by 1032 at most, and no other filter of HDF5 that is in use does better by much.
        const bool packed = H5Pget_layout(properties.get()) == H5D_CHUNKED && H5Pget_nfilters(properties.get()) > 0;
        const uint64_t most = (packed ? 1032 : 1) * file_size / std::max<std::size_t>(1, element_size);
        const Dims dims = dims_of(set, name);
        uint64_t count = 1;
        if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return 0;
        for (const int64_t d : dims) {
            const auto size = static_cast<uint64_t>(d);
            if (count > most / size) {
                fail(name, "found shape " + to_text(dims) + ", expected at most what a file of " +
                               byte_size(static_cast<double>(file_size)) + " can hold");
            }
            count *= size;
        }
        return count;
    }

    void read_into(const Handle& set, const std::string& name, hid_t type, void* values, hid_t transfer = H5P_DEFAULT) const {
        if (H5Dread(set.get(), type, H5S_ALL, H5S_ALL, transfer, values) < 0) fail(name, "cannot be read: " + h5_error());
    }

    template <class T>
    std::vector<T> attribute_numbers(const Handle& attribute, std::size_t count, const std::string& label) const {
        std::vector<T> values(count);
        if (count > 0 && H5Aread(attribute.get(), h5_type<T>(), values.data()) < 0) fail(label, "cannot be read: " + h5_error());
        return values;
    }

    std::vector<std::string> attribute_texts(const Handle& attribute, const Handle& type, std::size_t count,
                                             const std::string& label) const {
        std::vector<std::string> values;
        if (count == 0) return values;
        if (H5Tis_variable_str(type.get()) > 0) {
            std::vector<char*> texts(count, nullptr);
            if (H5Aread(attribute.get(), type.get(), static_cast<void*>(texts.data())) < 0) fail(label, "cannot be read: " + h5_error());
            for (char* text : texts) {
                values.emplace_back(text == nullptr ? "" : text);
                H5free_memory(text);
            }
            return values;
        }
        const std::size_t length = H5Tget_size(type.get());
        std::vector<char> cells(count * length);
        if (H5Aread(attribute.get(), type.get(), cells.data()) < 0) fail(label, "cannot be read: " + h5_error());
        for (std::size_t i = 0; i < count; ++i) values.push_back(cell_text(cells.data() + i * length, length));
        return values;
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
    const H5Lock lock;
    impl_->path = path;
    std::error_code error;
    if (!std::filesystem::exists(path, error)) throw MissingInput(path.string() + ": not found");
    if (!std::filesystem::is_regular_file(path, error)) throw DataError(path.string() + ": is not a file, expected HDF5");
    if (std::ifstream probe(path); !probe) throw IoError(path.string() + ": cannot be opened for reading");
    impl_->file_size = std::filesystem::file_size(path);
    if (checksum == Checksum::trailer) check_trailer(path);
    if (H5Fis_hdf5(path.c_str()) <= 0) throw DataError(path.string() + ": not an HDF5 file, or a truncated one");
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
#if H5_VERSION_GE(1, 10, 7)
    // We never write in place, and parallel file systems may refuse locks.
    H5Pset_file_locking(access.get(), false, true);
#endif
    impl_->file = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
    if (!impl_->file) throw DataError(path.string() + ": cannot be read as HDF5: " + h5_error());
}

H5Reader::~H5Reader() {
    const H5Lock lock;
    impl_.reset();
}

H5Reader::H5Reader(H5Reader&&) noexcept = default;
H5Reader& H5Reader::operator=(H5Reader&& other) noexcept {
    const H5Lock lock;
    impl_ = std::move(other.impl_);
    return *this;
}

const std::filesystem::path& H5Reader::file() const { return impl_->path; }

bool H5Reader::has(const std::string& name) const {
    const H5Lock lock;
    return impl_->exists(name);
}

std::vector<std::string> H5Reader::datasets(const std::string& group) const {
    const H5Lock lock;
    return impl_->children(group, H5O_TYPE_DATASET);
}

std::vector<std::string> H5Reader::groups(const std::string& group) const {
    const H5Lock lock;
    return impl_->children(group, H5O_TYPE_GROUP);
}

Dims H5Reader::dims(const std::string& name) const {
    const H5Lock lock;
    return impl_->dims_of(impl_->open_dataset(name), name);
}

template <class T>
std::vector<T> H5Reader::read(const std::string& name) const {
    const H5Lock lock;
    const Handle set = impl_->open_dataset(name);
    const Handle type(H5Dget_type(set.get()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.get());  // enumerations are how h5py stores booleans
    if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM) impl_->fail(name, "found no numbers, expected numbers");
    std::vector<T> values(impl_->count_of(set, name, H5Tget_size(type.get())));
    if (values.empty()) return values;
    const Handle transfer(H5Pcreate(H5P_DATASET_XFER), H5Pclose);
    bool inexact = false;
    if constexpr (!std::is_floating_point_v<T>) H5Pset_type_conv_cb(transfer.get(), refuse_inexact, &inexact);
    if (H5Dread(set.get(), h5_type<T>(), H5S_ALL, H5S_ALL, transfer.get(), values.data()) < 0) {
        if (inexact) impl_->fail(name, "found a fraction or a number out of range, expected " + integer_range<T>());
        impl_->fail(name, "cannot be read: " + h5_error());
    }
    return values;
}

template <class T>
std::vector<T> H5Reader::read(const std::string& name, const Dims& expected) const {
    const H5Lock lock;
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
    const H5Lock lock;
    const Handle set = impl_->open_dataset(name);
    const Handle type(H5Dget_type(set.get()), H5Tclose);
    if (H5Tdetect_class(type.get(), H5T_VLEN) > 0 || H5Tis_variable_str(type.get()) > 0) {
        impl_->fail(name, "found elements of variable length, expected fixed length");
    }
    const std::size_t size = H5Tget_size(type.get());
    std::vector<std::byte> bytes(impl_->count_of(set, name, size) * size);
    if (!bytes.empty()) impl_->read_into(set, name, type.get(), bytes.data());
    return bytes;
}

std::vector<std::string> H5Reader::read_strings(const std::string& name) const {
    const H5Lock lock;
    const Handle set = impl_->open_dataset(name);
    const Handle type(H5Dget_type(set.get()), H5Tclose);
    if (H5Tget_class(type.get()) != H5T_STRING) impl_->fail(name, "found data that are not text, expected text");
    const std::size_t length = H5Tget_size(type.get());
    const std::size_t count = impl_->count_of(set, name, length);
    std::vector<std::string> values;
    if (count == 0) return values;
    if (H5Tis_variable_str(type.get()) > 0) {
        Allowance allowance(impl_->file_size);
        const Handle transfer(H5Pcreate(H5P_DATASET_XFER), H5Pclose);
        H5Pset_vlen_mem_manager(transfer.get(), Allowance::take, &allowance, Allowance::keep, nullptr);
        std::vector<char*> texts(count, nullptr);
        impl_->read_into(set, name, type.get(), static_cast<void*>(texts.data()), transfer.get());
        for (const char* text : texts) values.emplace_back(text == nullptr ? "" : text);
        return values;
    }
    std::vector<char> cells(count * length);
    impl_->read_into(set, name, type.get(), cells.data());
    for (std::size_t i = 0; i < count; ++i) values.push_back(cell_text(cells.data() + i * length, length));
    return values;
}

std::optional<AttributeValue> H5Reader::attribute(const std::string& object, const std::string& name) const {
    const H5Lock lock;
    if (!impl_->exists(object)) return std::nullopt;
    if (H5Aexists_by_name(impl_->file.get(), object.c_str(), name.c_str(), H5P_DEFAULT) <= 0) return std::nullopt;
    const std::string label = "attribute " + name + " of " + object;
    const Handle attribute(H5Aopen_by_name(impl_->file.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    const Handle type(attribute ? H5Aget_type(attribute.get()) : -1, H5Tclose);
    const Handle space(attribute ? H5Aget_space(attribute.get()) : -1, H5Sclose);
    if (!attribute || !type || !space) impl_->fail(label, "cannot be read: " + h5_error());
    const hssize_t count = H5Sget_simple_extent_npoints(space.get());
    const std::size_t size = std::max<std::size_t>(1, H5Tget_size(type.get()));
    if (count < 0 || static_cast<uint64_t>(count) > impl_->file_size / size) impl_->fail(label, "found more than the file can hold");
    const auto elements = static_cast<std::size_t>(count);
    const bool scalar = H5Sget_simple_extent_type(space.get()) == H5S_SCALAR;
    switch (H5Tget_class(type.get())) {
        case H5T_STRING: return one_or_all(impl_->attribute_texts(attribute, type, elements, label), scalar);
        case H5T_FLOAT: return one_or_all(impl_->attribute_numbers<double>(attribute, elements, label), scalar);
        case H5T_ENUM: {
            const auto flags = impl_->attribute_numbers<int64_t>(attribute, elements, label);
            if (scalar) return AttributeValue(flags.front() != 0);
            return AttributeValue(std::vector<double>(flags.begin(), flags.end()));
        }
        case H5T_INTEGER: {
            const auto values = impl_->attribute_numbers<int64_t>(attribute, elements, label);
            if (scalar) return AttributeValue(values.front());
            return AttributeValue(std::vector<double>(values.begin(), values.end()));
        }
        default: impl_->fail(label, "found neither text nor numbers");
    }
}

std::string H5Reader::text(const std::string& object, const std::string& name) const {
    const auto value = attribute(object, name);
    if (value && std::holds_alternative<std::string>(*value)) return std::get<std::string>(*value);
    impl_->fail("attribute " + name + " of " + object, std::string(value ? "found a number or list" : "missing") + ", expected text");
}

double H5Reader::number(const std::string& object, const std::string& name) const {
    const auto value = attribute(object, name);
    if (value && std::holds_alternative<double>(*value)) return std::get<double>(*value);
    if (value && std::holds_alternative<int64_t>(*value)) return static_cast<double>(std::get<int64_t>(*value));
    if (value && std::holds_alternative<bool>(*value)) return std::get<bool>(*value) ? 1.0 : 0.0;
    if (value && std::holds_alternative<std::vector<double>>(*value)) {  // MATLAB writes every number as an array of one
        const auto& list = std::get<std::vector<double>>(*value);
        if (list.size() == 1) return list.front();
    }
    impl_->fail("attribute " + name + " of " + object, std::string(value ? "found text or a list" : "missing") + ", expected a number");
}

std::string hdf5_version() {
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

}  // namespace aelle::io
