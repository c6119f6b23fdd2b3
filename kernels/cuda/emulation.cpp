#include "kernels/cuda/emulation.hpp"

#include <ucontext.h>
#include <algorithm>
#include <csetjmp>
#include <exception>
#include <memory>
#include <numeric>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#include "aelle/base/error.hpp"

namespace aelle::cuda::emulation {
namespace {

constexpr std::size_t stack_bytes = 256 * 1024;
constexpr int lanes = 32;

}  // namespace

Order& order() {
    static Order chosen = Order::ascending;
    return chosen;
}

/// The threads of the blocks of one cluster, block after block. Contexts are made by ucontext, which asks the kernel; switching between them is by longjmp, which does not.
class Crew {
public:
    Crew(int threads, std::size_t shared_bytes, int cluster)
        : threads_(threads),
          cluster_(cluster),
          all_threads_(threads * cluster),
          shared_each_((shared_bytes + alignment - 1) / alignment * alignment),
          shared_(shared_each_ * static_cast<std::size_t>(cluster) + alignment),
          stacks_(new char[static_cast<std::size_t>(all_threads_) * stack_bytes]),
          members_(static_cast<std::size_t>(all_threads_)),
          warps_(static_cast<std::size_t>((all_threads_ + lanes - 1) / lanes)),
          words_(static_cast<std::size_t>(all_threads_)),
          values_(words_.size() * Fibre::most_together),
          blocks_(static_cast<std::size_t>(cluster)) {
        require(threads > 0 && threads % lanes == 0, "emulation: threads of a block come in whole warps");
        for (int t = 0; t < all_threads_; ++t) members_[t].fibre = std::make_unique<Fibre>(*this, t);
        for (Barrier& warp : warps_) warp.expected = lanes;
        for (Barrier& block : blocks_) block.expected = threads;
        all_.expected = all_threads_;
    }

    /// The blocks from `first` on.
    void run(int64_t first, const std::function<void(Fibre&)>& body) {
        first_ = static_cast<int>(first);
        body_ = &body;
        std::memset(shared_.data(), 0xFF, shared_.size());
        for (Member& member : members_) member.state = State::fresh;
        races::cluster({.first = first,
                        .blocks = cluster_,
                        .threads = threads_,
                        .shared = {shared_.data(), shared_.size()},
                        .stacks = {stacks_.get(), words_.size() * stack_bytes},
                        .exchanged = {values_.data(), values_.size() * sizeof(double)}});
        running_ = 0;
        arrange();
        for (int alive = all_threads_; alive > 0;) {
            bool some = false;
            for (std::size_t warp = 0; warp < turn_.size(); warp += lanes) {
                do {
                    progress_ = false;
                    alive -= advance_warp(turn_.data() + warp);
                    some = some || progress_;
                } while (progress_ && order() != Order::ascending);
            }
            if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
            require(some, "emulation: threads of a block wait at barriers that the others do not reach");
        }
        all_.arrived = 0;
        for (Barrier& block : blocks_) block.arrived = 0;
    }

    void wait(Barrier& barrier, races::Scope orders) {
        races::stops();
        meet(barrier);
        races::goes_on(running_, orders);
    }

    void meet(Barrier& barrier) {
        const int64_t generation = barrier.generation;
        if (++barrier.arrived == barrier.expected) {
            barrier.arrived = 0;
            ++barrier.generation;
            progress_ = true;
            return;
        }
        while (barrier.generation == generation) yield();
    }

    uint64_t exchange(int thread, uint64_t value, int lane) {
        const int warp = thread / lanes;
        words_[thread] = value;
        wait(warps_[warp], races::Scope::none);
        const uint64_t result = words_[warp * lanes + lane];
        wait(warps_[warp], races::Scope::none);
        return result;
    }

    int threads() const { return threads_; }
    int cluster() const { return cluster_; }
    int block(int rank) const { return first_ + rank; }
    char* shared(int rank) {
        const auto address = reinterpret_cast<uintptr_t>(shared_.data());
        return shared_.data() + (alignment - address % alignment) % alignment + static_cast<std::size_t>(rank) * shared_each_;
    }
    double* values(int thread) { return values_.data() + static_cast<std::size_t>(thread / lanes * lanes) * Fibre::most_together; }
    Barrier& all() { return all_; }
    Barrier& whole(int rank) { return blocks_[static_cast<std::size_t>(rank)]; }
    Barrier& warp(int thread) { return warps_[thread / lanes]; }

private:
    enum class State { fresh, started, ended };
    struct Member {
        State state = State::fresh;
        std::unique_ptr<Fibre> fibre;
#if defined(__SANITIZE_ADDRESS__)
        ucontext_t context;
#else
        std::jmp_buf place;
#endif
    };
    static constexpr std::size_t alignment = 128;

    /// Every thread of a warp goes on once; how many ended.
    int advance_warp(const int* threads) {
        int ended = 0;
        for (int lane = 0; lane < lanes; ++lane) {
            const int t = threads[lane];
            if (members_[t].state == State::ended) continue;
            resume(t);
            ended += members_[t].state == State::ended ? 1 : 0;
        }
        progress_ = progress_ || ended > 0;
        return ended;
    }

    /// Warp after warp.
    void arrange() {
        turn_.resize(static_cast<std::size_t>(all_threads_));
        std::iota(turn_.begin(), turn_.end(), 0);
        if (order() == Order::descending) std::reverse(turn_.begin(), turn_.end());
        if (order() != Order::shuffled) return;
        const int warps = all_threads_ / lanes;
        for (int t = 0; t < all_threads_; ++t)  // 4099 is prime
            turn_[static_cast<std::size_t>(t)] = (t / lanes * 4099 + 13) % warps * lanes + (t % lanes * 4099 + 13) % lanes;
    }

    char* stack(int t) const { return stacks_.get() + static_cast<std::size_t>(t) * stack_bytes; }

    /// Gives the fibre a context that begins in enter().
    void prepare(int t, ucontext_t& context) {
        members_[t].state = State::started;
        getcontext(&context);
        context.uc_stack.ss_sp = stack(t);
        context.uc_stack.ss_size = stack_bytes;
        context.uc_link = nullptr;
        current = this;
        makecontext(&context, &Crew::enter, 0);
    }

    static void enter() {
        Crew& crew = *current;
        crew.arrived(nullptr);
        const int t = crew.running_;
        races::goes_on(t, races::Scope::none);
        try {
            (*crew.body_)(*crew.members_[t].fibre);
        } catch (...) {
            crew.failure_ = std::current_exception();
        }
        races::stops();
        crew.members_[t].state = State::ended;
        crew.leave_for_good();
    }

#if defined(__SANITIZE_ADDRESS__)
    // The address sanitizer must be told of every change of stacks, and does not follow longjmp between them.
    void resume(int t) {
        running_ = t;
        ucontext_t& context = members_[t].context;
        if (members_[t].state == State::fresh) prepare(t, context);
        void* fake = nullptr;
        __sanitizer_start_switch_fiber(&fake, stack(t), stack_bytes);
        swapcontext(&home_context_, &context);
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
    }
    void yield() {
        void* fake = nullptr;
        const int t = running_;
        __sanitizer_start_switch_fiber(&fake, home_stack_, home_bytes_);
        swapcontext(&members_[t].context, &home_context_);
        arrived(fake);
    }
    void arrived(void* fake) { __sanitizer_finish_switch_fiber(fake, &home_stack_, &home_bytes_); }
    void leave_for_good() {
        __sanitizer_start_switch_fiber(nullptr, home_stack_, home_bytes_);
        setcontext(&home_context_);
    }
    const void* home_stack_ = nullptr;
    std::size_t home_bytes_ = 0;
    ucontext_t home_context_;
#else
    void resume(int t) {
        running_ = t;
        if (_setjmp(home_) != 0) return;
        if (members_[t].state == State::started) _longjmp(members_[t].place, 1);
        prepare(t, context_);
        setcontext(&context_);
    }
    void yield() {
        if (_setjmp(members_[running_].place) == 0) _longjmp(home_, 1);
    }
    void arrived(void*) {}
    void leave_for_good() { _longjmp(home_, 1); }
    std::jmp_buf home_;
    ucontext_t context_;
#endif

    static thread_local Crew* current;
    int threads_, cluster_, all_threads_, first_ = 0, running_ = 0;
    std::size_t shared_each_;
    std::vector<char> shared_;
    std::unique_ptr<char[]> stacks_;  // not touched before a thread runs
    std::vector<Member> members_;
    std::vector<Barrier> warps_;
    std::vector<uint64_t> words_;
    std::vector<double> values_;
    std::vector<Barrier> blocks_;
    Barrier all_;
    std::vector<int> turn_;
    bool progress_ = false;
    const std::function<void(Fibre&)>* body_ = nullptr;
    std::exception_ptr failure_;
};

thread_local Crew* Crew::current = nullptr;

int Fibre::threads() const { return crew_->threads(); }
int Fibre::cluster() const { return crew_->cluster(); }
int Fibre::block() const { return crew_->block(rank()); }
char* Fibre::shared() const { return crew_->shared(rank()); }
void Fibre::sync() { crew_->wait(crew_->whole(rank()), races::Scope::block); }
void Fibre::sync_warp() { crew_->wait(crew_->warp(member_), races::Scope::warp); }
void Fibre::meet_warp() { crew_->wait(crew_->warp(member_), races::Scope::none); }
void Fibre::sync_cluster() { crew_->wait(crew_->all(), races::Scope::cluster); }
double* Fibre::warp_values() { return crew_->values(member_); }
uint64_t Fibre::exchange_bits(uint64_t value, int lane) { return crew_->exchange(member_, value, lane); }

void run(int64_t blocks, int threads, std::size_t shared_bytes, const std::function<void(Fibre&)>& body, int cluster) {
    require(cluster > 0 && blocks % cluster == 0, "emulation: blocks come in whole clusters");
    Crew crew(threads, shared_bytes, cluster);
    races::launch();
    for (int64_t block = 0; block < blocks; block += cluster) crew.run(block, body);
}

}  // namespace aelle::cuda::emulation
