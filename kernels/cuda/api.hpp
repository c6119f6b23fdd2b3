#pragma once
/// What the program and libaelle_cuda.so say to each other: one exported function that fills a table of others. Plain data and status codes, no
/// exception across; addresses of device memory are those that `allocate` gave.

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/chain_plan.hpp"
#include "kernels/cuda/force_plan.hpp"
#include "kernels/cuda/training_plan.hpp"

namespace aelle::cuda {

struct DeviceFacts {
    char name[128] = {};
    int32_t major = 0, minor = 0, multiprocessors = 0;
    int64_t memory = 0;         ///< bytes
    int64_t shared_memory = 0;  ///< bytes that one block may have
    int64_t l2_cache = 0;       ///< bytes
    int32_t force_units = 0;    ///< of the largest networks whose FORCE kernels fit into it
    bool emulated = false;
};

/// Every function returns 0 or a status for `message`. Work is queued in the calling thread's own stream; copies wait for it.
struct Table {
    int (*device_count)(int* count);
    int (*facts)(int device, DeviceFacts* facts);
    int (*allocate)(int device, void** address, std::size_t bytes);
    int (*release)(int device, void* address);
    int (*upload)(int device, void* to, const void* from, std::size_t bytes);
    int (*download)(int device, void* to, const void* from, std::size_t bytes);
    /// `rows` pieces of `bytes` each: one after another on the host, `stride` bytes apart on the device.
    int (*upload_rows)(int device, void* to, std::size_t stride, const void* from, std::size_t bytes, std::size_t rows);
    int (*download_rows)(int device, void* to, const void* from, std::size_t stride, std::size_t bytes, std::size_t rows);
    int (*clear)(int device, void* address, std::size_t bytes);
    /// `cell`: its place in cells::AllCells; plan and work lie on the device. `team`: blocks of each network, a power of two up to 16; fewer where the device
    /// cannot hold so many together, which changes no bit.
    int (*train)(int device, int cell, int64_t networks, int32_t team, const TrainingPlan* plan, const SequenceData* data,
                 const TrainingWork* work);
    /// Steps [first, first + count) of every chain, done on return; `how` as its plan says. As with `train`, teams may be smaller than that.
    int (*chains)(int device, int cell, int64_t chains, const ChainLaunch& how, const ChainPlan* plan, const ChainWork* work, int32_t first,
                  int32_t count);
    /// Networks of n units, at most DeviceFacts::force_units, descriptors on the device: FORCE, and at most `loops` loops of each with frozen
    /// weights; `shared_memory` is that of DeviceFacts.
    int (*force)(int device, int64_t networks, int32_t n, const ForceNetwork* work);
    int (*frozen)(int device, int64_t networks, int32_t n, int32_t loops, int64_t shared_memory, const FrozenNetwork* work);
    const char* (*message)(int status);
};

/// Statuses of our own, beside those of CUDA.
enum : int { wrong_build = -1, wrong_cells = -2, unknown_cell = -3 };
inline constexpr int out_of_memory = 2, insufficient_driver = 35, no_device = 100;  ///< of CUDA

/// 0 with the table filled, wrong_build or wrong_cells: the program and the library were not built together.
using Open = int (*)(const char* build_id, uint64_t cells, Table* table);
inline constexpr const char* open_name = "aelle_cuda_open";

/// Differs whenever the two sides would not understand each other: other cells, or other layouts of what they hand over.
template <cells::Cell... Cells>
uint64_t fingerprint(cells::CellList<Cells...>) {
    uint64_t hash = 14695981039346656037u;  // FNV-1a
    const auto add = [&hash](uint64_t value) { hash = (hash ^ value) * 1099511628211u; };
    const auto add_cell = [&]<class C>() {
        for (const char c : C::spec().name) add(static_cast<unsigned char>(c));
        for (const int slots : C::slots) add(static_cast<uint64_t>(slots));
        add(C::blocks);
        add(sizeof(typename C::Scalars));
    };
    (add_cell.template operator()<Cells>(), ...);
    for (const std::size_t size : {sizeof(Table), sizeof(DeviceFacts), sizeof(TrainingPlan), sizeof(TrainingWork), sizeof(SequenceData),
                                   sizeof(ChainPlan), sizeof(ChainWork), sizeof(ForceNetwork), sizeof(FrozenNetwork)})
        add(size);
    return hash;
}

}  // namespace aelle::cuda
