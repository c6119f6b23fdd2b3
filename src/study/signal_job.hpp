#pragma once
/// One variant of a signal study.

#include <memory>

#include "aelle/study/signal_task.hpp"

namespace aelle::study {

/// Task and backend must outlive the job.
std::unique_ptr<Job> make_signal_job(const SignalTask& task, const Variant& variant, const backend::Backend& backend);

}  // namespace aelle::study
