#include "kernels/cuda/companion.hpp"

#include <dlfcn.h>

#include <filesystem>

#include "aelle/base/build_info.hpp"
#include "aelle/cells/list.hpp"

namespace aelle::cuda {
namespace fs = std::filesystem;
namespace {

/// "libaelle_cuda_emulated.so" and "lib": "libaelle_cuda_lib_emulated.so".
fs::path beside(const fs::path& main, const std::string& part) {
    const std::string stem = "libaelle_cuda", name = main.filename().string();
    const std::string rest = name.starts_with(stem) ? name.substr(stem.size()) : ".so";
    return main.parent_path() / (stem + "_" + part + rest);
}

template <class PartTable>
OpenedPart<PartTable> open_part(const Opened& opened, const std::string& part, const char* function) {
    if (!opened.ok) return {.note = opened.note};
    const fs::path file = beside(opened.file, part);
    std::error_code error;
    if (!fs::exists(file, error)) return {.note = "no " + file.string() + ": it was not built or not installed"};
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* reason = dlerror();
        return {.note = file.string() + " cannot be opened: " + (reason ? reason : "no reason given")};
    }
    const auto open = reinterpret_cast<OpenPart<PartTable>>(dlsym(handle, function));
    if (open == nullptr) return {.note = file.string() + ": found no function " + function + ", expected a library of this program"};
    OpenedPart<PartTable> found;
    const int status = open(build_info().id.c_str(), part_fingerprint<PartTable>(cells::AllCells{}), &found.table);
    found.ok = status == 0;
    if (status == wrong_build) found.note = file.string() + ": found a library of another build, expected that of " + build_info().id;
    if (status == wrong_cells) found.note = file.string() + ": found a library for another list of cells";
    return found;
}

}  // namespace

OpenedPart<LibraryTable> open_library_path(const Opened& opened) { return open_part<LibraryTable>(opened, "lib", open_library_name); }
OpenedPart<BenchTable> open_bench(const Opened& opened) { return open_part<BenchTable>(opened, "bench", open_bench_name); }

Table with_library_training(const Table& own, const LibraryTable& library) {
    Table table = own;
    table.train = library.train;
    table.message = library.message;
    return table;
}

}  // namespace aelle::cuda
