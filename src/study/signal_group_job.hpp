#pragma once
/// Variants of a signal study side by side on a device.

#include <memory>
#include <span>

#include "aelle/study/signal_task.hpp"
#include "group_spectra.hpp"

namespace aelle::study {

/// Task, engine and backend must outlive the job. Variants of one size; those too large for FORCE on the device are worked on by the host.
/// OutOfDeviceMemory.
std::unique_ptr<GroupJob> make_signal_group_job(const SignalTask& task, std::span<const Variant> variants, const SpectraDevice& device);

}  // namespace aelle::study
