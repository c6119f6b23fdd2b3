// Not a test: the room's tests run with one BLAS thread, as the program does.

#include <gtest/gtest.h>
#include <omp.h>

#include "aelle/backend/blas.hpp"

namespace aelle::embed {
namespace {

class OneBlasThread : public testing::Environment {
    void SetUp() override {
        backend::set_blas_threads(1);
        omp_set_num_threads(1);
    }
};

[[maybe_unused]] testing::Environment* const one_blas_thread = testing::AddGlobalTestEnvironment(new OneBlasThread);

}  // namespace
}  // namespace aelle::embed
