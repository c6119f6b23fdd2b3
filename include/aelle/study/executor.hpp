#pragma once
/// The threads of one rank: each advances one variant at a time, or on a device as many of one key as are worth it, slice by slice. The main thread hands
/// in groups, takes them out when finished, and asks for snapshots; it alone talks to MPI and writes files.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "aelle/study/job.hpp"
#include "aelle/study/variants.hpp"

namespace aelle::study {

enum class SlotState : int32_t { waiting = 0, started = 1, finished = 2 };

/// One variant of a group in flight. `snapshot` holds a Job's archive when started, a VariantResult's when finished.
struct Slot {
    SlotState state = SlotState::waiting;
    double progress = 0.0;  ///< of the snapshot
    std::vector<std::byte> snapshot;
};

/// A group with what is known of its variants, in the order of `group.variants`.
struct GroupWork {
    Group group;
    std::vector<Slot> slots;
};

/// Makes jobs of variants of one key.
struct JobSource {
    /// One at a time.
    template <class Single>
    requires std::is_invocable_r_v<std::unique_ptr<Job>, Single, int64_t> JobSource(Single single)
        : make([single = std::move(single)](std::span<const int64_t> variants) { return alone(single(variants.front())); }) {}
    JobSource(std::function<std::unique_ptr<GroupJob>(std::span<const int64_t> variants)> many, int64_t at_once)
        : make(std::move(many)), most(at_once) {}

    std::function<std::unique_ptr<GroupJob>(std::span<const int64_t> variants)> make;
    int64_t most = 1;  ///< variants of one job; fewer where memory does not allow it
    /// Whether the device still answers, asked after it has failed; null: it always does.
    std::function<bool()> usable = nullptr;
};

/// The result of a variant whose work did not fit into memory.
using BlankResult = std::function<VariantResult(int64_t variant)>;

class Executor {
public:
    /// Variants that run out of memory beside other jobs are worked on again with fewer beside them; with none they are tried in halves. One that does
    /// so all alone (in this process: others may share the memory), or twice meets a device that fails, becomes `failed` with its blank result, and the
    /// others go on; without `blank` it ends the run, and so does a device that does not answer any more.
    Executor(int threads, JobSource source, BlankResult blank = nullptr);
    ~Executor();  ///< stops and joins

    void submit(GroupWork work);
    /// Whether more groups are wanted, so that no thread is idle and jobs are as large as they may be.
    bool wants_more() const;
    /// No more groups will come: jobs need not wait for them to be larger.
    void close();
    int64_t groups_in_flight() const;
    /// Variants finished since the start.
    int64_t variants_finished() const { return variants_finished_.load(); }

    /// The next group all of whose slots are finished, or nothing. Rethrows what a job threw.
    std::optional<GroupWork> take_finished();
    /// What became of variants that failed since the last call, and other news worth a warning, in words.
    std::vector<std::string> take_failures();
    /// Sleeps until something finishes or `milliseconds` pass.
    void wait(int milliseconds);

    /// Asks every running job for a snapshot at its next slice.
    void request_snapshots();
    /// True once all have answered the last request.
    bool snapshots_ready() const;
    /// Copies of all groups in flight as of their latest snapshots.
    std::vector<GroupWork> groups() const;

    /// Stops at the next slice boundaries, each running job leaving a snapshot; returns when all threads have ended.
    void stop();

private:
    struct Flight {
        GroupWork work;
        int64_t unfinished = 0;
    };
    struct Item {
        std::shared_ptr<Flight> flight;
        std::size_t slot = 0;
        int failures = 0;     ///< of the device, while it was worked on
        int64_t variant = 0;  ///< these two as in the flight, whose work is taken away once all of it is finished
        std::string key;
    };
    using Items = std::vector<Item>;
    /// A thread's work on one job.
    struct Turn {
        std::atomic<int64_t>& answered;
        std::size_t jobs = 1;  ///< worked on at once, this one too: the most since it began
        bool fitted = true;    ///< into memory
    };
    void serve(std::atomic<int64_t>& answered);
    Items take_items(std::unique_lock<std::mutex>& lock);
    int64_t most_of(const std::string& key) const;
    std::size_t of_front_key() const;
    bool may_begin() const;
    void run(const Items& items, Turn& turn);
    void snapshot(const Items& items, const GroupJob& job, const std::vector<char>& stored);
    void work_on(const Items& items, std::atomic<int64_t>& answered);
    void store(const Item& item, const VariantResult& result);
    void give_up(const Item& item, const std::string& reason);
    void out_of_memory(const Items& items, const std::string& reason, Turn& turn);
    void device_failed(const Items& items, const std::string& reason);
    Items unfinished(const Items& items) const;
    void put_back(const Items& items);

    JobSource source_;
    BlankResult blank_;
    mutable std::mutex mutex_;
    std::condition_variable work_arrived_;
    std::condition_variable something_finished_;
    std::deque<Item> queue_;
    std::map<std::string, int64_t, std::less<>> most_;  // by key, where memory allows fewer than the source says
    bool closed_ = false;
    std::vector<Turn*> working_;  // of threads that have a job
    std::size_t thread_count_;
    // At most thread_count_. Fewer once that many were too many for the memory; one more whenever as many as that have fitted since, and all again after a
    // job that was to be alone.
    std::size_t jobs_at_once_;
    std::size_t fitted_ = 0;  // jobs, since jobs_at_once_ changed
    std::vector<std::shared_ptr<Flight>> flights_;
    std::exception_ptr failure_;
    std::vector<std::string> failed_variants_;
    std::atomic<bool> stopping_{false};
    std::atomic<int64_t> requested_{0};  // generation of snapshots asked for
    std::atomic<int64_t> variants_finished_{0};
    std::deque<std::atomic<int64_t>> answered_;  // per thread: the generation it has answered; idle threads answer all
    std::vector<std::thread> threads_;
};

}  // namespace aelle::study
