#pragma once
/// The entry points of libaelle_cuda.so (api.hpp). Included by the one file of each library that exports them: library.cu, and for tests one that
/// runs everything on the host.

#include <cstdlib>
#include <cstring>

#include "aelle/base/build_info.hpp"
#include "kernels/cuda/api.hpp"
#include "kernels/cuda/chain_launch.hpp"
#include "kernels/cuda/force_launch.hpp"
#include "kernels/cuda/training.hpp"
#include "kernels/cuda/with_cell.hpp"

namespace aelle::cuda {

inline int train(int device, int cell, int64_t networks, int32_t team, const TrainingPlan* plan, const SequenceData* data,
                 const TrainingWork* work) {
    if (const int status = memory::select(device)) return status;
    return finished(with_cell(cells::AllCells{}, cell, [&]<class C>() {
        using Kernel = Training<C>;
        const int blocks = fitting_cluster<Kernel>(team, Kernel::shared_bytes);
        return launch(memory::stream(), networks * blocks, Kernel::shared_bytes, Kernel{plan, *data, work}, blocks);
    }));
}

inline int chains(int device, int cell, int64_t count, const ChainLaunch& how, const ChainPlan* plan, const ChainWork* work, int32_t first,
                  int32_t steps) {
    return how.large ? launch_chains<true>(device, cell, count, how, plan, work, first, steps)
                     : launch_chains<false>(device, cell, count, how, plan, work, first, steps);
}

inline int facts(int device, DeviceFacts* facts) {
    if (const int status = memory::facts(device, facts)) return status;
    facts->force_units = largest_force(facts->shared_memory);
    return 0;
}

inline int train_force(int device, int64_t networks, int32_t n, const ForceNetwork* work) {
    if (const int status = memory::select(device)) return status;
    return finished(with_force_threads(n, [&]<int Threads>() {
        using Kernel = ForceTraining<Threads>;
        return launch(memory::stream(), networks, Kernel::shared_bytes(n), Kernel{work});
    }));
}

inline int run_frozen(int device, int64_t networks, int32_t n, int32_t loops, int64_t shared_memory, const FrozenNetwork* work) {
    if (const int status = memory::select(device)) return status;
    return finished(with_frozen_kernel(n, shared_memory, [&]<class Kernel, int Width>() {
        const int32_t parts = (loops + Width - 1) / Width;
        return launch(memory::stream(), networks * parts, Kernel::shared_bytes(n), Kernel{work, parts});
    }));
}

inline const char* message(int status) {
    switch (status) {
        case wrong_build: return "another build of the program";
        case wrong_cells: return "another list of cells";
        case unknown_cell: return "a cell that the library does not know";
        default: return memory::message(status);
    }
}

inline int open(const char* build_id, uint64_t cells, Table* table) {
    if (build_info().id != build_id) return wrong_build;
    if (cells != fingerprint(cells::AllCells{})) return wrong_cells;
    *table = {.device_count = memory::device_count,
              .facts = facts,
              .allocate = memory::allocate,
              .release = memory::release,
              .upload = memory::upload,
              .download = memory::download,
              .upload_rows = memory::upload_rows,
              .download_rows = memory::download_rows,
              .clear = memory::clear,
              .train = train,
              .chains = chains,
              .force = train_force,
              .frozen = run_frozen,
              .message = message};
    return 0;
}

}  // namespace aelle::cuda
