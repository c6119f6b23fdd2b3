#pragma once
/// One variant of a study trained by backpropagation through time.

#include <memory>

#include "aelle/study/bptt_task.hpp"

namespace aelle::study {

/// Task and backend must outlive the job.
std::unique_ptr<Job> make_bptt_job(const BpttTask& task, const Variant& variant, const backend::Backend& backend);

}  // namespace aelle::study
