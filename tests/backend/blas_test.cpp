#include "aelle/backend/blas.hpp"

#include <gtest/gtest.h>
#include <omp.h>
#include <thread>

namespace aelle::backend {
namespace {

TEST(Blas, RunsOnOneThreadInEveryThreadThatAsksForIt) {
    const auto one = [] {
        const int threads = set_blas_threads(1);
        return (threads == 1 || threads == 0) && blas_threads() == threads && omp_get_max_threads() == 1;
    };
    EXPECT_TRUE(one());
    bool in_another_thread = false;
    std::thread([&] { in_another_thread = one(); }).join();
    EXPECT_TRUE(in_another_thread) << "OpenBLAS for OpenMP obeys the number of OpenMP threads, which new threads do not inherit";
}

TEST(Blas, DescribesItselfAndWarnsOfThreads) {
    if (set_blas_threads(2) != 2) GTEST_SKIP() << "this BLAS has no threads to set: " << blas_description();
    EXPECT_NE(blas_description().find("warning"), std::string::npos) << blas_description();
    set_blas_threads(1);
    EXPECT_EQ(blas_description().find("warning"), std::string::npos) << blas_description();
}

}  // namespace
}  // namespace aelle::backend
