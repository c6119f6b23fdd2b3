#pragma once
/// Variants of a study trained by backpropagation through time, side by side on a device.

#include <memory>
#include <vector>

#include "aelle/learn/group.hpp"
#include "aelle/study/bptt_task.hpp"
#include "group_spectra.hpp"

namespace aelle::study {

/// A task's sequences in the device's memory, for all jobs.
struct BpttDevice : SpectraDevice {
    std::shared_ptr<const learn::DeviceCopy> training, validation, examples;
};

/// Task and device must outlive the job. Variants of one cell and size. OutOfDeviceMemory.
std::unique_ptr<GroupJob> make_bptt_group_job(const BpttTask& task, const std::vector<Variant>& variants, const BpttDevice& device);

}  // namespace aelle::study
