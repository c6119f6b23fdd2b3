#pragma once
/// The BLAS that this program runs on, and its threads.
///
/// Networks run side by side, one per thread; threads inside one small product slow them down, a hundredfold on a busy machine, and make
/// rounding depend on the cores. The program asks for one BLAS thread at its start and again at the start of every thread of its own, since
/// an OpenBLAS built for OpenMP keeps that number per thread.

#include <string>

namespace aelle::backend {

/// Asks BLAS and OpenMP for `threads` threads in calls from this thread, and returns the number that BLAS will use, or 0 when this BLAS cannot be
/// asked.
int set_blas_threads(int threads);

/// Threads that one BLAS call from serial code may use; 0 when unknown.
int blas_threads();

/// One line: library, kernel, threads, and a warning when a call may use more than one thread.
std::string blas_description();

}  // namespace aelle::backend
