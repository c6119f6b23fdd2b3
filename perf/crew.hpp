#pragma once
/// Workers side by side, each on a core of its own.

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace aelle::perf {

using Work = std::function<void()>;  ///< does one unit

/// What some units took.
struct Sample {
    double rate = 0.0;     ///< units a second of all workers together
    double busy = 1.0;     ///< processor time over wall time, of the worker that was kept from work most
    double seconds = 0.0;  ///< of the slowest worker
};

/// Something that does units of work when told to.
class Side {
public:
    virtual ~Side() = default;
    virtual Sample run(int64_t units) = 0;                                ///< every worker does so many, all at once
    virtual std::map<std::string, double> columns() const { return {}; }  ///< what else was seen
};

/// The processors that this program may use: first one of each core, then their siblings.
const std::vector<int>& processors();
/// Number of cores among them.
int core_count();
/// Keeps the calling thread on the processor number `index` of processors().
void pin(int index);

/// Threads of this program. Each makes its own worker, so that memory is near it, and asks for one BLAS thread.
class Crew final : public Side {
public:
    Crew(int threads, std::function<Work()> make);
    ~Crew() override;
    Sample run(int64_t units) override;

private:
    struct Member {
        std::thread thread;
        double wall = 0.0, processor = 0.0;
        std::exception_ptr failure;
    };
    void serve(std::size_t index, const std::function<Work()>& make);
    void wait_for_all(std::unique_lock<std::mutex>& lock);

    std::mutex mutex_;
    std::condition_variable begin_, end_;
    std::vector<Member> members_;
    int64_t units_ = 0;
    uint64_t round_ = 0;
    std::size_t ready_ = 0;  // members that have finished the round
    bool stopping_ = false;
};

}  // namespace aelle::perf
