#include "crew.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <set>

#include "aelle/backend/blas.hpp"

namespace aelle::perf {
namespace {

double clock_seconds(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Layout {
    std::vector<int> processors;
    int cores = 0;
};

Layout find_layout() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    Layout layout;
    std::vector<int> siblings;
    std::set<std::string> seen;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (!CPU_ISSET(i, &allowed)) continue;
        std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(i) + "/topology/thread_siblings_list");
        std::string core = "processor " + std::to_string(i);
        std::getline(file, core);
        (seen.insert(core).second ? layout.processors : siblings).push_back(i);
    }
    layout.cores = std::max(1, static_cast<int>(layout.processors.size()));
    layout.processors.insert(layout.processors.end(), siblings.begin(), siblings.end());
    if (layout.processors.empty()) layout.processors.push_back(0);
    return layout;
}

const Layout& layout() {
    static const Layout found = find_layout();
    return found;
}

}  // namespace

const std::vector<int>& processors() { return layout().processors; }

int core_count() { return layout().cores; }

void pin(int index) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processors()[static_cast<std::size_t>(index) % processors().size()], &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);  // refused: the scheduler decides, as without it
}

Crew::Crew(int threads, std::function<Work()> make) : members_(static_cast<std::size_t>(threads)) {
    processors();  // before any thread is pinned
    std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < members_.size(); ++i) members_[i].thread = std::thread([this, i, make] { serve(i, make); });
    wait_for_all(lock);
}

Crew::~Crew() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    begin_.notify_all();
    for (Member& member : members_)
        if (member.thread.joinable()) member.thread.join();
}

/// A failure stays with its member and is thrown in the thread that asked for the work.
void Crew::wait_for_all(std::unique_lock<std::mutex>& lock) {
    end_.wait(lock, [&] { return ready_ == members_.size(); });
    for (const Member& member : members_) {
        if (!member.failure) continue;
        const std::exception_ptr failure = member.failure;
        stopping_ = true;
        begin_.notify_all();
        lock.unlock();
        for (Member& each : members_) each.thread.join();
        std::rethrow_exception(failure);
    }
}

Sample Crew::run(int64_t units) {
    std::unique_lock lock(mutex_);
    units_ = units;
    ready_ = 0;
    ++round_;
    begin_.notify_all();
    wait_for_all(lock);
    Sample sample;
    for (const Member& member : members_) {
        sample.rate += static_cast<double>(units) / member.wall;
        sample.busy = std::min(sample.busy, member.processor / member.wall);
        sample.seconds = std::max(sample.seconds, member.wall);
    }
    return sample;
}

void Crew::serve(std::size_t index, const std::function<Work()>& make) {
    pin(static_cast<int>(index));
    backend::set_blas_threads(1);
    Member& me = members_[index];
    Work work;
    try {
        work = make();
    } catch (...) {
        me.failure = std::current_exception();
    }
    std::unique_lock lock(mutex_);
    for (uint64_t round = 0;;) {
        ++ready_;
        end_.notify_all();
        begin_.wait(lock, [&] { return stopping_ || round_ != round; });
        if (stopping_) return;
        round = round_;
        const int64_t units = units_;
        lock.unlock();
        try {
            const double wall = clock_seconds(CLOCK_MONOTONIC), processor = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
            for (int64_t i = 0; i < units; ++i) work();
            me.processor = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - processor;
            me.wall = std::max(1e-9, clock_seconds(CLOCK_MONOTONIC) - wall);
        } catch (...) {
            me.failure = std::current_exception();
        }
        lock.lock();
    }
}

}  // namespace aelle::perf
