#pragma once
/// One thread inside BLAS for the calling thread.

#include <omp.h>

namespace aelle::embed {

/// OpenBLAS built for OpenMP takes its number of threads from OpenMP's setting of the calling thread, and new threads start with all cores: a
/// product of two small matrices then waits for others many times longer than it computes, and its rounding depends on the cores.
class OneThread {
public:
    OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
    ~OneThread() { omp_set_num_threads(before_); }
    OneThread(const OneThread&) = delete;
    OneThread& operator=(const OneThread&) = delete;

private:
    int before_;
};

}  // namespace aelle::embed
