#pragma once
/// The entry points of libaelle_cuda_lib.so (library_api.hpp). Included by the one file of each library that exports them: library_path.cu, and for tests
/// one whose Device is plain loops. Device::of(device, found): the calling thread's; it also has
///     void* room(bytes, status)    work memory, kept for the next call and larger where need be
///     int wait(), close()

#include <algorithm>
#include <vector>

#include "aelle/base/build_info.hpp"
#include "kernels/cuda/library_api.hpp"
#include "kernels/cuda/library_qr.hpp"
#include "kernels/cuda/library_training.hpp"
#include "kernels/cuda/memory.hpp"
#include "kernels/cuda/with_cell.hpp"

namespace aelle::cuda {

template <class Device>
struct LibraryPath {
    /// Networks in step with each other that may go in one call.
    static int64_t in_step(const std::vector<TrainingWork>& work, std::size_t begin, int64_t apart) {
        std::size_t end = begin + 1;
        while (end < work.size() && work[end].memory - work[end - 1].memory == apart && work[end].count == work[begin].count &&
               work[end].learning == work[begin].learning)
            ++end;
        return static_cast<int64_t>(end - begin);
    }

    template <class Cell>
    static int train_all(Device& device, const TrainingPlan& plan, const TrainingPlan* device_plan, const SequenceData& data,
                         const TrainingWork* device_work, const std::vector<TrainingWork>& work) {
        for (std::size_t begin = 0; begin < work.size();) {
            const int64_t networks = in_step(work, begin, plan.memory);
            int status = 0;
            const auto floats = static_cast<std::size_t>(library_training_floats(plan, networks));
            auto* scratch = static_cast<float*>(device.room(floats * sizeof(float), status));
            if (status == 0)
                status = library_train<Cell>(device, plan, device_plan, data, device_work + begin, work[begin], networks, scratch);
            if (status != 0) return status;
            begin += static_cast<std::size_t>(networks);
        }
        return device.wait();
    }

    static int train(int number, int cell, int64_t networks, int32_t, const TrainingPlan* plan, const SequenceData* data,
                     const TrainingWork* work) {
        Device* device = nullptr;
        if (const int status = Device::of(number, device)) return status;
        TrainingPlan host_plan;
        std::vector<TrainingWork> host_work(static_cast<std::size_t>(networks));
        if (const int status = memory::download(number, &host_plan, plan, sizeof host_plan)) return status;
        if (const int status = memory::download(number, host_work.data(), work, host_work.size() * sizeof(TrainingWork))) return status;
        return with_cell(cells::AllCells{}, cell,
                         [&]<class C>() { return train_all<C>(*device, host_plan, plan, *data, work, host_work); });
    }

    static int qr(int number, const LibraryQr* problem) {
        Device* device = nullptr;
        if (const int status = Device::of(number, device)) return status;
        int status = 0;
        auto* memory = static_cast<char*>(device->room(library_qr_bytes(*problem), status));
        if (status == 0) status = library_qr(*device, *problem, memory);
        return status != 0 ? status : device->wait();
    }

    template <class T>
    static int products(Device& device, const LibraryProduct& p) {
        const Operand<const T> a{static_cast<const T*>(p.a), p.n, 0, false}, b{static_cast<const T*>(p.b), p.n, 0, false};
        for (int i = 0; i < p.repeats; ++i)
            if (const int status = device.product(Product<T>{p.n, p.n, p.n, a, b, T(0), {static_cast<T*>(p.c), p.n, 0, false}, 1}))
                return status;
        return device.wait();
    }
    static int product(int number, const LibraryProduct* problem) {
        Device* device = nullptr;
        if (const int status = Device::of(number, device)) return status;
        return problem->single ? products<float>(*device, *problem) : products<double>(*device, *problem);
    }

    static int close(int number) {
        if (const int status = memory::select(number)) return status;
        return Device::close(number);
    }

    static const char* message(int status) {
        switch (status) {
            case wrong_build: return "another build of the program";
            case wrong_cells: return "another list of cells";
            case unknown_cell: return "a cell that the library does not know";
            case unknown_form: return "a form that the library does not know";
            default: return Device::message(status);
        }
    }

    static int open(const char* build_id, uint64_t cells, LibraryTable* table) {
        if (build_info().id != build_id) return wrong_build;
        if (cells != part_fingerprint<LibraryTable>(cells::AllCells{})) return wrong_cells;
        *table = {.train = train, .qr = qr, .product = product, .close = close, .message = message};
        return 0;
    }
};

}  // namespace aelle::cuda
