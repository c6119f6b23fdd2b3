#include "aelle/study/executor.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>
#include <utility>

#include "aelle/backend/blas.hpp"

namespace aelle::study {
namespace {

constexpr int64_t idle = std::numeric_limits<int64_t>::max();  // a thread without a job has nothing to snapshot

}  // namespace

Executor::Executor(int threads, JobFactory factory, BlankResult blank) : factory_(std::move(factory)), blank_(std::move(blank)) {
    for (int i = 0; i < threads; ++i) answered_.emplace_back(idle);
    for (int i = 0; i < threads; ++i) {
        threads_.emplace_back([this, i] {
            backend::set_blas_threads(1);
            auto& answered = answered_[static_cast<std::size_t>(i)];
            for (;;) {
                Item item;
                {
                    std::unique_lock lock(mutex_);
                    work_arrived_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
                    if (stopping_) return;
                    item = queue_.front();
                    queue_.pop_front();
                    answered = requested_.load();
                }
                run(item, answered);
                answered = idle;
            }
        });
    }
}

Executor::~Executor() { stop(); }

void Executor::submit(GroupWork work) {
    auto flight = std::make_shared<Flight>();
    flight->work = std::move(work);
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < flight->work.slots.size(); ++i) {
        if (flight->work.slots[i].state == SlotState::finished) continue;
        ++flight->unfinished;
        queue_.push_back({flight, i});
    }
    flights_.push_back(flight);
    work_arrived_.notify_all();
}

int64_t Executor::waiting() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int64_t>(queue_.size());
}

int64_t Executor::groups_in_flight() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int64_t>(flights_.size());
}

std::optional<GroupWork> Executor::take_finished() {
    const std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
    const auto found = std::find_if(flights_.begin(), flights_.end(), [](const auto& flight) { return flight->unfinished == 0; });
    if (found == flights_.end()) return std::nullopt;
    GroupWork work = std::move((*found)->work);
    flights_.erase(found);
    return work;
}

std::vector<std::string> Executor::take_failures() {
    const std::lock_guard lock(mutex_);
    return std::exchange(failed_variants_, {});
}

void Executor::wait(int milliseconds) {
    std::unique_lock lock(mutex_);
    something_finished_.wait_for(lock, std::chrono::milliseconds(milliseconds));
}

void Executor::request_snapshots() { ++requested_; }

bool Executor::snapshots_ready() const {
    const int64_t wanted = requested_.load();
    return std::all_of(answered_.begin(), answered_.end(), [&](const auto& answered) { return answered.load() >= wanted; });
}

std::vector<GroupWork> Executor::groups() const {
    const std::lock_guard lock(mutex_);
    std::vector<GroupWork> copies;
    for (const auto& flight : flights_) copies.push_back(flight->work);
    return copies;
}

void Executor::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    work_arrived_.notify_all();
    for (std::thread& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

void Executor::snapshot(const Item& item, const Job& job) {
    ArchiveWriter archive;
    job.save(archive);
    const std::lock_guard lock(mutex_);
    item.flight->work.slots[item.slot] = {SlotState::started, job.progress(), archive.take()};
}

void Executor::store(const Item& item, const VariantResult& result) {
    ArchiveWriter archive;
    result.save(archive);
    const std::lock_guard lock(mutex_);
    item.flight->work.slots[item.slot] = {SlotState::finished, 1.0, archive.take()};
    --item.flight->unfinished;
    ++variants_finished_;
}

void Executor::work_on(const Item& item, std::atomic<int64_t>& answered) {
    Slot before;
    {
        const std::lock_guard lock(mutex_);
        before = item.flight->work.slots[item.slot];
    }
    const auto job = factory_(item.flight->work.group.variants[item.slot]);
    if (before.state == SlotState::started) {
        ArchiveReader archive(before.snapshot);
        job->load(archive);
    }
    before = {};
    while (!job->done()) {
        if (stopping_) return snapshot(item, *job);
        const int64_t wanted = requested_.load();
        if (answered.load() < wanted) {
            snapshot(item, *job);
            answered = wanted;
        }
        job->advance();
    }
    store(item, job->result());
}

void Executor::run(const Item& item, std::atomic<int64_t>& answered) {
    const int64_t variant = item.flight->work.group.variants[item.slot];
    const auto fail = [&] {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
    };
    try {
        work_on(item, answered);
    } catch (const std::bad_alloc&) {
        if (blank_) {
            VariantResult result = blank_(variant);
            result.status = VariantStatus::failed;
            store(item, result);
            const std::lock_guard lock(mutex_);
            failed_variants_.push_back("variant " + std::to_string(variant) + " failed: out of memory; the next run tries it again");
        } else {
            fail();
        }
    } catch (...) {
        fail();
    }
    something_finished_.notify_all();
}

}  // namespace aelle::study
