#pragma once
/// The libraries beside libaelle_cuda.so (library_api.hpp), opened at run time as it is (loader.hpp).

#include <memory>
#include <string>

#include "kernels/cuda/library_api.hpp"
#include "kernels/cuda/loader.hpp"

namespace aelle::cuda {

/// What a further library answered.
template <class PartTable>
struct OpenedPart {
    PartTable table{};
    bool ok = false;
    std::string note;  ///< why not
};

/// Beside the library that `opened` found, "_lib" or "_bench" behind "libaelle_cuda": libaelle_cuda_lib.so; for emulation libaelle_cuda_lib_emulated.so.
OpenedPart<LibraryTable> open_library_path(const Opened& opened);
OpenedPart<BenchTable> open_bench(const Opened& opened);

/// The functions of libaelle_cuda.so, but training by the other library's products: groups (training_group.hpp) work with either.
Table with_library_training(const Table& own, const LibraryTable& library);

}  // namespace aelle::cuda
