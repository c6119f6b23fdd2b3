#include "aelle/backend/blas.hpp"

#include <gtest/gtest.h>
#include <omp.h>

namespace aelle::backend {
namespace {

TEST(Blas, RunsOnOneThreadWhileOpenMpKeepsItsOwn) {
    const int before = omp_get_max_threads();
    omp_set_num_threads(3);
    const int threads = set_blas_threads(1);
    EXPECT_EQ(omp_get_max_threads(), 3) << "OpenBLAS for OpenMP also sets the caller's number of OpenMP threads";
    omp_set_num_threads(before);
    EXPECT_TRUE(threads == 1 || threads == 0) << threads;
    EXPECT_EQ(blas_threads(), threads);
}

TEST(Blas, DescribesItselfAndWarnsOfThreads) {
    if (set_blas_threads(2) != 2) GTEST_SKIP() << "this BLAS has no threads to set: " << blas_description();
    EXPECT_NE(blas_description().find("warning"), std::string::npos) << blas_description();
    set_blas_threads(1);
    EXPECT_EQ(blas_description().find("warning"), std::string::npos) << blas_description();
}

}  // namespace
}  // namespace aelle::backend
