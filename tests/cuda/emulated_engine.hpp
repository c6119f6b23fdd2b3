#pragma once
/// The GPU of the program as tests have it: libaelle_cuda_emulated.so behind the program's own loader.

#include <cstdlib>
#include <memory>

#include "aelle/backend/choose.hpp"
#include "aelle/backend/groups.hpp"

namespace aelle::cuda {

inline const backend::GroupEngine& emulated_engine() {
    static const backend::Choice choice = [] {
        setenv("AELLE_CUDA_LIBRARY", AELLE_EMULATED_LIBRARY, 1);
        return backend::choose(backend::Device::cuda);
    }();
    return *choice.groups;
}

}  // namespace aelle::cuda
