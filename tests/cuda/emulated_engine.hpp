#pragma once
/// The GPU of the program as tests have it: libaelle_cuda_emulated.so behind the program's own loader.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "aelle/backend/choose.hpp"
#include "aelle/backend/groups.hpp"

namespace aelle::cuda {

/// What AELLE_CUDA_LIBRARY said at the start: in a bundle (tools/gpu-bundle), the library beside which the emulated one lies.
inline const std::string library_at_start = std::getenv("AELLE_CUDA_LIBRARY") ? std::getenv("AELLE_CUDA_LIBRARY") : "";

/// Where it was built, or where the bundle has it.
inline std::string emulated_library() {
    namespace fs = std::filesystem;
    const fs::path built = AELLE_EMULATED_LIBRARY;
    return fs::exists(built) || library_at_start.empty() ? built : fs::path(library_at_start).parent_path() / built.filename();
}

inline const backend::GroupEngine& emulated_engine() {
    static const backend::Choice choice = [] {
        setenv("AELLE_CUDA_LIBRARY", emulated_library().c_str(), 1);
        return backend::choose(backend::Device::cuda);
    }();
    return *choice.groups;
}

}  // namespace aelle::cuda
