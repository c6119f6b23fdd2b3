#include "aelle/study/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "aelle/backend/blas.hpp"

namespace aelle::study {

lyapunov::ParallelFor on_threads(int threads) {
    return [threads](int64_t count, const std::function<void(int64_t)>& f) {
        std::atomic<int64_t> next{0};
        std::mutex mutex;
        std::exception_ptr failure;
        const auto work = [&] {
            backend::set_blas_threads(1);
            for (int64_t i = next++; i < count; i = next++) {
                try {
                    f(i);
                } catch (...) {
                    const std::lock_guard lock(mutex);
                    if (!failure) failure = std::current_exception();
                    next = count;
                }
            }
        };
        {
            std::vector<std::jthread> crew;
            for (int64_t t = 0; t < std::min<int64_t>(threads, count); ++t) crew.emplace_back(work);
        }
        if (failure) std::rethrow_exception(failure);
    };
}

}  // namespace aelle::study
