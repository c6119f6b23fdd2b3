#include "aelle/study/executor.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>
#include <utility>

#include "aelle/backend/blas.hpp"
#include "aelle/backend/groups.hpp"

namespace aelle::study {
namespace {

constexpr int64_t idle = std::numeric_limits<int64_t>::max();  // a thread without a job has nothing to snapshot

}  // namespace

Executor::Executor(int threads, JobSource source, BlankResult blank)
    : source_(std::move(source)), blank_(std::move(blank)), thread_count_(static_cast<std::size_t>(threads)), jobs_at_once_(thread_count_) {
    working_.reserve(thread_count_);
    for (int i = 0; i < threads; ++i) answered_.emplace_back(idle);
    for (int i = 0; i < threads; ++i) {
        threads_.emplace_back([this, i] {
            backend::set_blas_threads(1);
            serve(answered_[static_cast<std::size_t>(i)]);
        });
    }
}

void Executor::serve(std::atomic<int64_t>& answered) {
    for (;;) {
        Items items;
        Turn turn{answered};
        {
            std::unique_lock lock(mutex_);
            items = take_items(lock);
            if (items.empty()) return;
            answered = requested_.load();
            working_.push_back(&turn);
            for (Turn* each : working_) each->jobs = std::max(each->jobs, working_.size());
        }
        run(items, turn);
        answered = idle;
        const std::lock_guard lock(mutex_);
        std::erase(working_, &turn);
        fitted_ += turn.fitted ? 1 : 0;
        if (jobs_at_once_ == 1 && turn.jobs == 1) {
            jobs_at_once_ = thread_count_;
        } else if (jobs_at_once_ < thread_count_ && fitted_ >= jobs_at_once_) {
            ++jobs_at_once_;
            fitted_ = 0;
        }
        work_arrived_.notify_all();  // for those that might not begin beside it
    }
}

bool Executor::may_begin() const { return !queue_.empty() && working_.size() < jobs_at_once_; }

int64_t Executor::most_of(const std::string& key) const {
    const auto known = most_.find(key);
    return known == most_.end() ? source_.most : known->second;
}

std::size_t Executor::of_front_key() const {
    return static_cast<std::size_t>(
        std::count_if(queue_.begin(), queue_.end(), [&](const Item& item) { return item.key == queue_.front().key; }));
}

/// The first variant that waits, with those of its key that may share a job; none when it is time to stop.
Executor::Items Executor::take_items(std::unique_lock<std::mutex>& lock) {
    constexpr auto patience = std::chrono::milliseconds(200);  // for groups that are on their way
    do {
        work_arrived_.wait(lock, [&] { return stopping_ || may_begin(); });
        for (std::size_t known = 0; source_.most > 1 && !stopping_ && !closed_ && !queue_.empty() && known != queue_.size();) {
            if (of_front_key() >= static_cast<std::size_t>(most_of(queue_.front().key))) break;
            known = queue_.size();
            work_arrived_.wait_for(lock, patience, [&] { return stopping_ || closed_ || queue_.size() > known; });
        }
        if (stopping_) return {};
    } while (!may_begin());  // again where another thread was faster
    const std::string key = queue_.front().key;
    const auto most = static_cast<std::size_t>(most_of(key));
    Items items;
    for (auto item = queue_.begin(); item != queue_.end() && items.size() < most;) {
        if (item->key != key) {
            ++item;
            continue;
        }
        items.push_back(std::move(*item));
        item = queue_.erase(item);
    }
    return items;
}

Executor::~Executor() { stop(); }

void Executor::submit(GroupWork work) {
    auto flight = std::make_shared<Flight>();
    flight->work = std::move(work);
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < flight->work.slots.size(); ++i) {
        if (flight->work.slots[i].state == SlotState::finished) continue;
        ++flight->unfinished;
        queue_.push_back({flight, i, 0, flight->work.group.variants[i], flight->work.group.key});
    }
    flights_.push_back(flight);
    work_arrived_.notify_all();
}

bool Executor::wants_more() const {
    const std::lock_guard lock(mutex_);
    return queue_.size() < std::max(thread_count_, static_cast<std::size_t>(source_.most));
}

void Executor::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    work_arrived_.notify_all();
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

void Executor::snapshot(const Items& items, const GroupJob& job, const std::vector<char>& stored) {
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (stored[i]) continue;
        ArchiveWriter archive;
        job.save(i, archive);
        const std::lock_guard lock(mutex_);
        items[i].flight->work.slots[items[i].slot] = {SlotState::started, job.progress(i), archive.take()};
    }
}

void Executor::store(const Item& item, const VariantResult& result) {
    ArchiveWriter archive;
    result.save(archive);
    {
        const std::lock_guard lock(mutex_);
        item.flight->work.slots[item.slot] = {SlotState::finished, 1.0, archive.take()};
        --item.flight->unfinished;
        ++variants_finished_;
    }
    something_finished_.notify_all();
}

void Executor::work_on(const Items& items, std::atomic<int64_t>& answered) {
    std::vector<int64_t> variants;
    std::vector<Slot> before;
    {
        const std::lock_guard lock(mutex_);
        for (const Item& item : items) {
            variants.push_back(item.variant);
            before.push_back(item.flight->work.slots[item.slot]);
        }
    }
    const std::unique_ptr<GroupJob> job = source_.make(variants);
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (before[i].state != SlotState::started) continue;
        ArchiveReader archive(before[i].snapshot);
        job->load(i, archive);
    }
    before.clear();
    std::vector<char> stored(items.size(), 0);
    for (std::size_t left = items.size();;) {
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (stored[i] || !job->done(i)) continue;
            store(items[i], job->result(i));
            stored[i] = 1;
            --left;
        }
        if (left == 0) return;
        if (stopping_) return snapshot(items, *job, stored);
        const int64_t wanted = requested_.load();
        if (answered.load() < wanted) {
            snapshot(items, *job, stored);
            answered = wanted;
        }
        job->advance();
    }
}

Executor::Items Executor::unfinished(const Items& items) const {
    const std::lock_guard lock(mutex_);
    Items left;
    for (const Item& item : items) {
        if (item.flight->unfinished == 0) continue;  // taken away, perhaps
        if (item.flight->work.slots[item.slot].state != SlotState::finished) left.push_back(item);
    }
    return left;
}

void Executor::put_back(const Items& items) {
    const std::lock_guard lock(mutex_);
    queue_.insert(queue_.begin(), items.begin(), items.end());
    work_arrived_.notify_all();
}

void Executor::give_up(const Item& item, const std::string& reason) {
    VariantResult result = blank_(item.variant);
    result.status = VariantStatus::failed;
    {
        const std::lock_guard lock(mutex_);
        failed_variants_.push_back("variant " + std::to_string(item.variant) + " failed: " + reason + "; the next run tries it again");
    }
    store(item, result);
}

/// From their last snapshots: with fewer jobs beside them, or fewer in a job.
void Executor::out_of_memory(const Items& items, const std::string& reason, Turn& turn) {
    const Items left = unfinished(items);
    if (left.empty()) return;
    bool again = true;
    {
        const std::lock_guard lock(mutex_);
        turn.fitted = false;
        if (turn.jobs > 1) {  // also where the others have ended since: they held memory when this one wanted it
            jobs_at_once_ = std::min(jobs_at_once_, turn.jobs - 1);
            fitted_ = 0;
        } else if (items.size() > 1) {
            const auto fewer = static_cast<int64_t>(items.size() / 2);
            most_[items.front().key] = fewer;
            failed_variants_.push_back(items.front().key + ": " + reason + "; " + std::to_string(fewer) + " variants at once instead of " +
                                       std::to_string(items.size()));
        } else {
            again = false;
        }
    }
    again ? put_back(left) : give_up(left.front(), reason);
}

void Executor::device_failed(const Items& items, const std::string& reason) {
    Items again;
    for (Item& item : unfinished(items)) {
        if (++item.failures < 2) again.push_back(item);
        else give_up(item, reason);
    }
    if (again.empty()) return;
    {
        const std::lock_guard lock(mutex_);
        failed_variants_.push_back(again.front().key + ": " + reason + "; " + std::to_string(again.size()) +
                                   " variants are tried once more");
    }
    put_back(again);
}

void Executor::run(const Items& items, Turn& turn) {
    try {
        try {
            work_on(items, turn.answered);
        } catch (const backend::OutOfDeviceMemory& error) {
            if (!blank_) throw;
            out_of_memory(items, error.what(), turn);
        } catch (const std::bad_alloc&) {
            if (!blank_) throw;
            out_of_memory(items, "out of memory", turn);
        } catch (const backend::DeviceError& error) {
            if (!blank_ || (source_.usable && !source_.usable())) throw;
            device_failed(items, error.what());
        }
    } catch (...) {  // also what comes of having no memory to say so
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
    }
    something_finished_.notify_all();
}

}  // namespace aelle::study
