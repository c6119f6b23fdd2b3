#pragma once
/// The BLAS that this program runs on, and its threads.
///
/// Networks run side by side, one per thread; threads inside one small product only slow them down. The program asks for one BLAS
/// thread at its start.

#include <string>

namespace aelle::backend {

/// Asks BLAS for `threads` threads and returns the number that it will use, or 0 when this BLAS cannot be asked. The number of
/// OpenMP threads of the caller stays as it is, though OpenBLAS built for OpenMP would change that too.
int set_blas_threads(int threads);

/// Threads that one BLAS call from serial code may use; 0 when unknown.
int blas_threads();

/// One line: library, kernel, threads, and a warning when a call may use more than one thread.
std::string blas_description();

}  // namespace aelle::backend
