#include "aelle/study/scheduler.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <filesystem>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/file.hpp"

namespace aelle::study {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// What a rank's client tells the server at rank 0 ...
enum ToServer : int {
    request = 1,         // one more group, please
    finished = 2,        // group id: its shard is on disk
    trained = 3,         // number of variants finished since the last such message
    resumed = 6,         // number of variants that a group's checkpoint already held finished
    asked_to_stop = 4,   // by a signal or the time limit
    bye = 5,             // this rank holds no work any more
};

// ... and what it is told.
enum ToClient : int {
    grant = 101,  // group id, or -1 when none is left
    stop = 102,   // save and stop
    end = 103,    // leave; 1 = everything is done, 0 = stopped
};

/// Rank 0's book-keeping. Answers messages; never waits.
class Server {
public:
    Server(Comm& comm, const std::vector<Group>& groups, const std::vector<char>& have) : comm_(comm) {
        progress_.groups = static_cast<int64_t>(groups.size());
        std::vector<const Group*> left;
        for (std::size_t i = 0; i < groups.size(); ++i) {
            const auto variants = static_cast<int64_t>(groups[i].variants.size());
            progress_.variants += variants;
            if (have[i]) {
                ++progress_.groups_finished;
                progress_.variants_finished += variants;
            } else {
                left.push_back(&groups[i]);
            }
        }
        std::stable_sort(left.begin(), left.end(), [](const Group* a, const Group* b) { return a->cost > b->cost; });
        for (const Group* group : left) left_.push_back(group->id);
    }

    void answer(const Message& message) {
        switch (message.tag) {
            case request: return hand_out(message.from);
            case finished:
                ++progress_.groups_finished;
                ++progress_.groups_finished_now;
                --progress_.groups_running;
                return;
            case trained:
                progress_.variants_finished += message.value;
                progress_.variants_finished_now += message.value;
                return;
            case resumed: progress_.variants_finished += message.value; return;
            case asked_to_stop: return stop_all();
            case bye:
                if (++byes_ == comm_.size()) {
                    for (int rank = 0; rank < comm_.size(); ++rank) comm_.send(rank, end, stopped_ ? 0 : 1);
                }
                return;
            default: require(false, "unknown message to the scheduler");
        }
    }

    const Progress& progress() const { return progress_; }

private:
    void hand_out(int rank) {
        if (stopped_ || left_.empty()) return comm_.send(rank, grant, -1);
        comm_.send(rank, grant, left_.front());
        left_.pop_front();
        ++progress_.groups_running;
    }

    void stop_all() {
        if (stopped_) return;
        stopped_ = !left_.empty() || progress_.groups_running > 0;  // a request after the last group changes nothing
        if (!stopped_) return;
        for (int rank = 0; rank < comm_.size(); ++rank) comm_.send(rank, stop, 0);
    }

    Comm& comm_;
    std::deque<int64_t> left_;
    Progress progress_;
    bool stopped_ = false;
    int byes_ = 0;
};

/// One rank's side: keeps the executor fed, writes shards and checkpoints.
class Client {
public:
    Client(Comm& comm, const StudyFolder& folder, const std::vector<Group>& groups, const ResultShape& shape, JobSource source,
           const SchedulerSettings& settings, const std::function<void(const std::string&)>& on_warning)
        : comm_(comm),
          folder_(folder),
          groups_(groups),
          shape_(shape),
          settings_(settings),
          on_warning_(on_warning),
          executor_(settings.threads, std::move(source), settings.blank) {}

    void turn() {
        store_finished();
        report_failures();
        report_trained();
        ask_for_work();
        save_checkpoints();
        watch_for_stop();
        leave_when_idle();
    }

    void answer(const Message& message) {
        switch (message.tag) {
            case grant: return start(message.value);
            case stop: return stop_work();
            case end:
                ended_ = true;
                complete_ = message.value == 1;
                return;
            default: require(false, "unknown message from the scheduler");
        }
    }

    bool ended() const { return ended_; }
    bool complete() const { return complete_; }
    void rest(int milliseconds) { executor_.wait(milliseconds); }

private:
    void start(int64_t id) {
        asked_ = false;
        if (id < 0) {
            none_left_ = true;
            return executor_.close();
        }
        const Group& group = groups_[static_cast<std::size_t>(id)];
        GroupWork work{group, std::vector<Slot>(group.variants.size())};
        try {
            if (auto saved = read_checkpoint(folder_, group)) {
                work = std::move(*saved);
                report_resumed(work);
                folder_.log(comm_.rank(), "resume group " + std::to_string(id) + " at " + shares(work));
            } else if (auto stored = successes(group)) {
                work = std::move(*stored);
                report_resumed(work);
                folder_.log(comm_.rank(), "try failed variants of group " + std::to_string(id) + " again");
            } else {
                folder_.log(comm_.rank(), "start group " + std::to_string(id));
            }
        } catch (const DataError& error) {
            on_warning_(std::string(error.what()) + "; the group is trained from its beginning");
        }
        executor_.submit(std::move(work));
    }

    /// The group as its shard has it, failed variants waiting; nothing without a shard.
    std::optional<GroupWork> successes(const Group& group) const {
        if (!std::filesystem::exists(folder_.shard(group.id))) return std::nullopt;
        GroupWork work{group, {}};
        try {
            for (const VariantResult& result : read_shard(folder_, group, shape_)) {
                ArchiveWriter archive;
                result.save(archive);
                const bool failed = result.status == VariantStatus::failed;
                work.slots.push_back(failed ? Slot{} : Slot{SlotState::finished, 1.0, archive.take()});
            }
        } catch (const DataError&) {
            return std::nullopt;  // finished_groups has said so
        }
        return work;
    }

    void report_resumed(const GroupWork& work) {
        comm_.send(0, resumed, std::count_if(work.slots.begin(), work.slots.end(), [](const Slot& slot) {
            return slot.state == SlotState::finished;
        }));
    }

    void report_failures() {
        for (const std::string& text : executor_.take_failures()) {
            folder_.log(comm_.rank(), text);
            on_warning_(text);
        }
    }

    void keep_results(const GroupWork& work) const {
        if (!settings_.keep) return;
        for (std::size_t i = 0; i < work.slots.size(); ++i) {
            ArchiveReader archive(work.slots[i].snapshot);
            VariantResult result;
            result.load(archive);
            settings_.keep(work.group.variants[i], result);
        }
    }

    void store_finished() {
        while (auto work = executor_.take_finished()) {
            keep_results(*work);
            write_shard(folder_, *work, shape_);
            std::filesystem::remove(folder_.checkpoint(work->group.id));
            folder_.log(comm_.rank(), "finished group " + std::to_string(work->group.id));
            comm_.send(0, finished, work->group.id);
        }
    }

    void report_trained() {
        const int64_t count = executor_.variants_finished();
        if (count > reported_) comm_.send(0, trained, count - reported_);
        reported_ = count;
    }

    void ask_for_work() {
        if (asked_ || none_left_ || stopping_ || !executor_.wants_more()) return;
        comm_.send(0, request, 0);
        asked_ = true;
    }

    void save_checkpoints() {
        if (stopping_) return;
        if (!snapshots_wanted_ && seconds_since(last_checkpoint_) >= settings_.checkpoint_seconds) {
            executor_.request_snapshots();
            snapshots_wanted_ = true;
        }
        if (snapshots_wanted_ && executor_.snapshots_ready()) {
            write_checkpoints();
            snapshots_wanted_ = false;
            last_checkpoint_ = Clock::now();
        }
    }

    void write_checkpoints() {
        for (const GroupWork& work : executor_.groups()) {
            const bool untouched = std::all_of(work.slots.begin(), work.slots.end(),
                                               [](const Slot& slot) { return slot.state == SlotState::waiting; });
            if (untouched) continue;
            write_checkpoint(folder_, work);
            folder_.log(comm_.rank(), "checkpoint group " + std::to_string(work.group.id) + " at " + shares(work));
        }
    }

    void watch_for_stop() {
        if (stop_sent_ || (stop_signal() == 0 && !settings_.deadline.passed())) return;
        folder_.log(comm_.rank(), stop_signal() != 0 ? "asked to stop by " + signal_name(stop_signal()) : "time limit reached");
        comm_.send(0, asked_to_stop, 0);
        stop_sent_ = true;
    }

    void stop_work() {
        stopping_ = true;
        executor_.stop();
        store_finished();
        report_trained();
        write_checkpoints();
        say_bye();
    }

    void leave_when_idle() {
        if (none_left_ && executor_.groups_in_flight() == 0) say_bye();
    }

    /// Once: the server counts ranks by it.
    void say_bye() {
        if (!bye_sent_) comm_.send(0, bye, 0);
        bye_sent_ = true;
    }

    /// "0.25 1 0": the share of each variant's work that the snapshot holds.
    static std::string shares(const GroupWork& work) {
        std::vector<std::string> words;
        for (const Slot& slot : work.slots) words.push_back(rounded(slot.progress, 4));
        return join(words, " ");
    }

    Comm& comm_;
    const StudyFolder& folder_;
    const std::vector<Group>& groups_;
    ResultShape shape_;
    SchedulerSettings settings_;
    const std::function<void(const std::string&)>& on_warning_;
    Clock::time_point last_checkpoint_ = Clock::now();
    int64_t reported_ = 0;
    bool asked_ = false, none_left_ = false, stopping_ = false, snapshots_wanted_ = false;
    bool stop_sent_ = false, bye_sent_ = false, ended_ = false, complete_ = false;
    Executor executor_;  // last: its threads end before the rest goes
};

/// Which groups have a sound shard. A damaged one is reported and its group trained again.
std::vector<char> finished_groups(const StudyFolder& folder, const std::vector<Group>& groups, const ResultShape& shape,
                                  const std::function<void(const std::string&)>& on_warning) {
    std::vector<char> have(groups.size(), 0);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (!std::filesystem::exists(folder.shard(groups[i].id))) continue;
        try {
            const auto results = read_shard(folder, groups[i], shape);
            have[i] = std::none_of(results.begin(), results.end(),
                                   [](const VariantResult& result) { return result.status == VariantStatus::failed; });
        } catch (const DataError& error) {
            on_warning(std::string(error.what()) + "; the group is trained again");
        }
    }
    return have;
}

}  // namespace

bool run_groups(Comm& comm, const StudyFolder& folder, const std::vector<Group>& groups, const ResultShape& shape, JobSource source,
                const SchedulerSettings& settings, const std::function<void(const Progress&)>& on_progress,
                const std::function<void(const std::string&)>& on_warning) {
    const auto start = Clock::now();
    std::optional<Server> server;
    if (comm.rank() == 0) server.emplace(comm, groups, finished_groups(folder, groups, shape, on_warning));
    Client client(comm, folder, groups, shape, std::move(source), settings, on_warning);
    auto last_report = start - std::chrono::hours(1);
    while (!client.ended()) {
        while (const auto message = comm.poll()) {
            if (message->tag >= grant) {
                client.answer(*message);
            } else {
                server->answer(*message);
            }
        }
        client.turn();
        if (server && seconds_since(last_report) >= 0.25) {
            Progress progress = server->progress();
            progress.seconds = seconds_since(start);
            on_progress(progress);
            last_report = Clock::now();
        }
        if (!client.ended()) client.rest(5);
    }
    if (server) {
        Progress progress = server->progress();
        progress.seconds = seconds_since(start);
        on_progress(progress);
    }
    return client.complete();
}

void write_progress(const StudyFolder& folder, const Progress& progress) {
    const std::array entries = {
        std::pair{"groups", progress.groups},
        std::pair{"groups_finished", progress.groups_finished},
        std::pair{"groups_running", progress.groups_running},
        std::pair{"groups_finished_now", progress.groups_finished_now},
        std::pair{"variants", progress.variants},
        std::pair{"variants_finished", progress.variants_finished},
        std::pair{"variants_finished_now", progress.variants_finished_now},
    };
    std::string text;
    for (const auto& [name, value] : entries) text += std::string(name) + " = " + std::to_string(value) + "\n";
    text += "seconds = " + exact(progress.seconds) + "\n";
    io::write_atomically(folder.progress(), text);
}

std::optional<Progress> read_progress(const StudyFolder& folder) {
    if (!std::filesystem::exists(folder.progress())) return std::nullopt;
    const TomlDocument document = TomlDocument::read(folder.progress());
    TomlTable table(document);
    const auto count = [&](const char* name) { return table.integer(name, std::nullopt, 0, INT64_MAX); };
    Progress progress;
    progress.groups = count("groups");
    progress.groups_finished = count("groups_finished");
    progress.groups_running = count("groups_running");
    progress.groups_finished_now = count("groups_finished_now");
    progress.variants = count("variants");
    progress.variants_finished = count("variants_finished");
    progress.variants_finished_now = count("variants_finished_now");
    progress.seconds = table.real("seconds", std::nullopt, 0.0, 1e18);
    return progress;
}

}  // namespace aelle::study
