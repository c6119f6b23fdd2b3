#include "aelle/backend/blas.hpp"

#include <algorithm>
#include <omp.h>

// Whichever of these the BLAS in use defines; weak, so that any CBLAS links.
extern "C" {
[[gnu::weak]] void openblas_set_num_threads(int);
[[gnu::weak]] int openblas_get_num_threads();
[[gnu::weak]] char* openblas_get_config();
[[gnu::weak]] char* openblas_get_corename();
[[gnu::weak]] void MKL_Set_Num_Threads(int);
[[gnu::weak]] int MKL_Get_Max_Threads();
[[gnu::weak]] void bli_thread_set_num_threads(long);
[[gnu::weak]] long bli_thread_get_num_threads();
}

namespace aelle::backend {

int set_blas_threads(int threads) {
    if (openblas_set_num_threads) openblas_set_num_threads(threads);
    if (MKL_Set_Num_Threads) MKL_Set_Num_Threads(threads);
    if (bli_thread_set_num_threads) bli_thread_set_num_threads(threads);
    omp_set_num_threads(threads);  // OpenBLAS for OpenMP obeys the calling thread's setting, and new threads start with all cores
    return blas_threads();
}

int blas_threads() {
    if (openblas_get_num_threads) return openblas_get_num_threads();
    if (MKL_Get_Max_Threads) return MKL_Get_Max_Threads();
    if (bli_thread_get_num_threads) return static_cast<int>(std::max(1L, bli_thread_get_num_threads()));
    return 0;
}

std::string blas_description() {
    std::string text = "unknown CBLAS";
    if (openblas_get_config) {
        text = openblas_get_config();
        text.erase(text.find_last_not_of(' ') + 1);
        if (openblas_get_corename) text += ", kernels for " + std::string(openblas_get_corename());
    } else if (MKL_Get_Max_Threads) {
        text = "MKL";
    } else if (bli_thread_get_num_threads) {
        text = "BLIS";
    }
    const int threads = blas_threads();
    if (threads == 0) return text + "; its number of threads is unknown: set OMP_NUM_THREADS=1 if it uses more than one";
    text += ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    return threads > 1 ? text + "; warning: more than one thread inside a product slows many small networks down" : text;
}

}  // namespace aelle::backend
