#include <algorithm>
#include <cstring>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <numeric>

#include "aelle/base/error.hpp"
#include "aelle/io/file.hpp"
#include "aelle/io/h5.hpp"
#include "h5_handle.hpp"

namespace aelle::io {
namespace {

void check(bool good, const std::string& what) {
    if (!good) throw InternalError("HDF5: " + what + ": " + h5_error());
}

int64_t product(const Dims& dims) { return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>()); }

Handle make_space(const Dims& dims) {
    std::vector<hsize_t> sizes(dims.begin(), dims.end());
    Handle space(dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), H5Sclose);
    check(static_cast<bool>(space), "dataspace");
    return space;
}

Handle string_type(std::size_t length) {
    Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    check(H5Tset_size(type.get(), std::max<std::size_t>(1, length)) >= 0 && H5Tset_cset(type.get(), H5T_CSET_UTF8) >= 0 &&
              H5Tset_strpad(type.get(), H5T_STR_NULLPAD) >= 0,
          "string type");
    return type;
}

/// Equal-length cells, padded with NUL.
std::vector<char> pack(const std::vector<std::string>& values, std::size_t& length) {
    length = 1;
    for (const std::string& value : values) length = std::max(length, value.size());
    std::vector<char> cells(length * values.size(), '\0');
    for (std::size_t i = 0; i < values.size(); ++i) std::memcpy(cells.data() + i * length, values[i].data(), values[i].size());
    return cells;
}

void write_attribute(hid_t object, const std::string& name, hid_t type, const Dims& dims, const void* values) {
    const Handle space = make_space(dims);
    if (H5Aexists(object, name.c_str()) > 0) check(H5Adelete(object, name.c_str()) >= 0, "attribute " + name);
    const Handle attribute(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    check(attribute && (product(dims) == 0 || H5Awrite(attribute.get(), type, values) >= 0), "attribute " + name);
}

/// Attributes in compact storage must stay below 64 KiB; a long text becomes a dense attribute with the latest format, which
/// older readers refuse, so it is refused here.
void write_text_attribute(hid_t object, const std::string& name, const std::vector<std::string>& values, const Dims& dims) {
    std::size_t length = 0;
    const std::vector<char> cells = pack(values, length);
    if (cells.size() > 60000) {
        throw DataError("attribute " + name + ": found " + std::to_string(cells.size()) + " bytes, expected at most 60000");
    }
    const Handle type = string_type(length);
    write_attribute(object, name, type.get(), dims, cells.data());
}

}  // namespace

struct H5Writer::Impl {
    Handle file;
    Handle links;  // creates groups on the way

    void write(const std::string& name, hid_t type, const Dims& dims, const void* values) const {
        const Handle space = make_space(dims);
        const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
        H5Pset_obj_track_times(properties.get(), false);  // equal contents give equal files
        const Handle set(H5Dcreate2(file.get(), name.c_str(), type, space.get(), links.get(), properties.get(), H5P_DEFAULT), H5Dclose);
        check(static_cast<bool>(set), "dataset " + name);
        if (product(dims) > 0) check(H5Dwrite(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0, "dataset " + name);
    }

    Handle open(const std::string& name) const {
        Handle object(H5Oopen(file.get(), name.c_str(), H5P_DEFAULT), H5Oclose);
        check(static_cast<bool>(object), "object " + name);
        return object;
    }
};

H5Writer::H5Writer() : impl_(std::make_unique<Impl>()) {
    const H5Lock lock;
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    check(H5Pset_fapl_core(access.get(), std::size_t{1} << 20, false) >= 0, "memory file");
    const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
    static int64_t files = 0;  // two open files must not share a name, though neither is on disk
    const std::string name = "aelle-memory-" + std::to_string(files++);
    impl_->file = Handle(H5Fcreate(name.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
    check(static_cast<bool>(impl_->file), "memory file");
    impl_->links = Handle(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    check(H5Pset_create_intermediate_group(impl_->links.get(), 1) >= 0, "link properties");
}

H5Writer::~H5Writer() {
    const H5Lock lock;
    impl_.reset();
}

template <class T>
void H5Writer::write(const std::string& name, std::span<const T> values, const Dims& dims) {
    const H5Lock lock;
    require(static_cast<int64_t>(values.size()) == product(dims), "dataset's dimensions do not match its values");
    impl_->write(name, h5_type<T>(), dims, values.data());
}

template void H5Writer::write(const std::string&, std::span<const double>, const Dims&);
template void H5Writer::write(const std::string&, std::span<const float>, const Dims&);
template void H5Writer::write(const std::string&, std::span<const int64_t>, const Dims&);
template void H5Writer::write(const std::string&, std::span<const int32_t>, const Dims&);
template void H5Writer::write(const std::string&, std::span<const uint8_t>, const Dims&);
template void H5Writer::write(const std::string&, std::span<const std::byte>, const Dims&);

void H5Writer::write_strings(const std::string& name, const std::vector<std::string>& values, const Dims& dims) {
    const H5Lock lock;
    require(static_cast<int64_t>(values.size()) == product(dims), "dataset's dimensions do not match its strings");
    std::size_t length = 0;
    const std::vector<char> cells = pack(values, length);
    const Handle type = string_type(length);
    impl_->write(name, type.get(), dims, cells.data());
}

void H5Writer::attribute(const std::string& object, const std::string& name, const AttributeValue& value) {
    const H5Lock lock;
    const Handle owner = impl_->open(object);
    if (const auto* text = std::get_if<std::string>(&value)) {
        write_text_attribute(owner.get(), name, {*text}, {});
    } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
        write_text_attribute(owner.get(), name, *texts, {static_cast<int64_t>(texts->size())});
    } else if (const auto* real = std::get_if<double>(&value)) {
        write_attribute(owner.get(), name, H5T_NATIVE_DOUBLE, {}, real);
    } else if (const auto* reals = std::get_if<std::vector<double>>(&value)) {
        write_attribute(owner.get(), name, H5T_NATIVE_DOUBLE, {static_cast<int64_t>(reals->size())}, reals->data());
    } else if (const auto* integer = std::get_if<int64_t>(&value)) {
        write_attribute(owner.get(), name, H5T_NATIVE_INT64, {}, integer);
    } else {
        const Handle type(H5Tenum_create(H5T_STD_I8LE), H5Tclose);  // as h5py stores booleans
        const int8_t no = 0, yes = 1;
        check(H5Tenum_insert(type.get(), "FALSE", &no) >= 0 && H5Tenum_insert(type.get(), "TRUE", &yes) >= 0, "boolean type");
        write_attribute(owner.get(), name, type.get(), {}, std::get<bool>(value) ? &yes : &no);
    }
}

void H5Writer::make_scale(const std::string& dataset, const std::string& label) {
    const H5Lock lock;
    const Handle set = impl_->open(dataset);
    check(H5DSset_scale(set.get(), label.c_str()) >= 0, "dimension scale " + dataset);
}

void H5Writer::attach_scale(const std::string& dataset, int axis, const std::string& scale) {
    const H5Lock lock;
    const Handle set = impl_->open(dataset);
    const Handle scale_set = impl_->open(scale);
    check(H5DSattach_scale(set.get(), scale_set.get(), static_cast<unsigned>(axis)) >= 0, "scale " + scale + " of " + dataset);
    const std::string label = scale.substr(scale.rfind('/') + 1);
    check(H5DSset_label(set.get(), static_cast<unsigned>(axis), label.c_str()) >= 0, "label " + label + " of " + dataset);
}

void H5Writer::commit(const std::filesystem::path& path, Checksum checksum) {
    std::vector<std::byte> image;
    {
        const H5Lock lock;
        const auto impl = std::move(impl_);
        impl_ = std::make_unique<Impl>();
        require(static_cast<bool>(impl->file), "an HDF5 file is committed twice");
        check(H5Fflush(impl->file.get(), H5F_SCOPE_GLOBAL) >= 0, "flush");
        const ssize_t size = H5Fget_file_image(impl->file.get(), nullptr, 0);
        check(size > 0, "file image");
        image.resize(static_cast<std::size_t>(size));
        check(H5Fget_file_image(impl->file.get(), image.data(), image.size()) == size, "file image");
    }
    if (checksum == Checksum::trailer) {
        const std::string trailer = make_trailer(image.data(), image.size());
        const auto* bytes = reinterpret_cast<const std::byte*>(trailer.data());
        image.insert(image.end(), bytes, bytes + trailer.size());
    }
    write_atomically(path, image);
}

}  // namespace aelle::io
