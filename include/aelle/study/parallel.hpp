#pragma once
/// Loops over independent items on the threads of this rank.

#include "aelle/lyapunov/group.hpp"

namespace aelle::study {

/// Each call starts `threads` threads, every one with a single-threaded BLAS; the first exception of an item ends the loop and is rethrown.
lyapunov::ParallelFor on_threads(int threads);

}  // namespace aelle::study
