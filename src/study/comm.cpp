#include "aelle/study/comm.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <sched.h>

#include "aelle/base/error.hpp"

#ifdef AELLE_HAVE_MPI
#define OMPI_SKIP_MPICXX 1  // only the C interface is used
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#endif

namespace aelle::study {
namespace {

class SingleRank : public Comm {
public:
    int rank() const override { return 0; }
    int size() const override { return 1; }
    int ranks_sharing_cores() const override { return 1; }
    int rank_on_node() const override { return 0; }
    int ranks_on_node() const override { return 1; }
    void send(int, int tag, int64_t value) override { mail_.push_back({0, tag, value}); }
    std::optional<Message> poll() override {
        if (mail_.empty()) return std::nullopt;
        const Message message = mail_.front();
        mail_.pop_front();
        return message;
    }
    void barrier() override {}
    std::vector<std::vector<std::byte>> gather(const std::vector<std::byte>& bytes) override { return {bytes}; }
    int64_t broadcast(int64_t value) override { return value; }
    void abort(int status) override { std::_Exit(status); }

private:
    std::deque<Message> mail_;
};

#ifdef AELLE_HAVE_MPI

void check(int code, const char* call) {
    if (code == MPI_SUCCESS) return;
    std::array<char, MPI_MAX_ERROR_STRING> text{};
    int length = 0;
    MPI_Error_string(code, text.data(), &length);
    throw InternalError(std::string("MPI: ") + call + ": " + text.data());
}

/// Equal for equal affinity masks.
int affinity_color() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    uint32_t hash = 2166136261u;  // FNV-1a
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &set)) hash = (hash ^ static_cast<uint32_t>(core)) * 16777619u;
    }
    return static_cast<int>(hash >> 1);
}

class MpiRanks : public Comm {
public:
    MpiRanks() {
        int provided = 0;
        check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
        check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
        check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
        check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
        MPI_Comm node = MPI_COMM_NULL;
        check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
        check(MPI_Comm_rank(node, &rank_on_node_), "MPI_Comm_rank");
        check(MPI_Comm_size(node, &ranks_on_node_), "MPI_Comm_size");
        MPI_Comm sharing = MPI_COMM_NULL;
        check(MPI_Comm_split(node, affinity_color(), 0, &sharing), "MPI_Comm_split");
        check(MPI_Comm_size(sharing, &sharing_), "MPI_Comm_size");
        check(MPI_Comm_free(&sharing), "MPI_Comm_free");
        check(MPI_Comm_free(&node), "MPI_Comm_free");
    }
    ~MpiRanks() override {
        for (auto& pending : outbox_) MPI_Wait(&pending.request, MPI_STATUS_IGNORE);
        MPI_Finalize();
    }

    int rank() const override { return rank_; }
    int size() const override { return size_; }
    int ranks_sharing_cores() const override { return sharing_; }
    int rank_on_node() const override { return rank_on_node_; }
    int ranks_on_node() const override { return ranks_on_node_; }

    void send(int to, int tag, int64_t value) override {
        while (!outbox_.empty()) {
            int complete = 0;
            check(MPI_Test(&outbox_.front().request, &complete, MPI_STATUS_IGNORE), "MPI_Test");
            if (complete == 0) break;
            outbox_.pop_front();
        }
        outbox_.emplace_back();
        outbox_.back().value = value;
        check(MPI_Isend(&outbox_.back().value, 1, MPI_INT64_T, to, tag, MPI_COMM_WORLD, &outbox_.back().request), "MPI_Isend");
    }

    std::optional<Message> poll() override {
        int arrived = 0;
        MPI_Status status;
        check(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &arrived, &status), "MPI_Iprobe");
        if (arrived == 0) return std::nullopt;
        Message message{status.MPI_SOURCE, status.MPI_TAG, 0};
        check(MPI_Recv(&message.value, 1, MPI_INT64_T, message.from, message.tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE), "MPI_Recv");
        return message;
    }

    void barrier() override { check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier"); }

    // Two rounds of point-to-point messages: sizes in bytes may exceed what a collective's int counts allow.
    std::vector<std::vector<std::byte>> gather(const std::vector<std::byte>& bytes) override {
        constexpr int size_tag = 1001;
        constexpr int data_tag = 1002;
        constexpr int64_t piece = int64_t{1} << 30;
        auto count = static_cast<int64_t>(bytes.size());
        if (rank_ != 0) {
            check(MPI_Send(&count, 1, MPI_INT64_T, 0, size_tag, MPI_COMM_WORLD), "MPI_Send");
            for (int64_t at = 0; at < count; at += piece) {
                check(MPI_Send(bytes.data() + at, static_cast<int>(std::min(piece, count - at)), MPI_BYTE, 0, data_tag, MPI_COMM_WORLD),
                      "MPI_Send");
            }
            return {};
        }
        std::vector<std::vector<std::byte>> all(static_cast<std::size_t>(size_));
        all[0] = bytes;
        for (int from = 1; from < size_; ++from) {
            check(MPI_Recv(&count, 1, MPI_INT64_T, from, size_tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE), "MPI_Recv");
            auto& part = all[static_cast<std::size_t>(from)];
            part.resize(static_cast<std::size_t>(count));
            for (int64_t at = 0; at < count; at += piece) {
                check(MPI_Recv(part.data() + at, static_cast<int>(std::min(piece, count - at)), MPI_BYTE, from, data_tag, MPI_COMM_WORLD,
                               MPI_STATUS_IGNORE),
                      "MPI_Recv");
            }
        }
        return all;
    }

    int64_t broadcast(int64_t value) override {
        check(MPI_Bcast(&value, 1, MPI_INT64_T, 0, MPI_COMM_WORLD), "MPI_Bcast");
        return value;
    }

    void abort(int status) override {
        MPI_Abort(MPI_COMM_WORLD, status);
        std::_Exit(status);
    }

private:
    struct Pending {
        int64_t value = 0;
        MPI_Request request = MPI_REQUEST_NULL;
    };
    int rank_ = 0;
    int size_ = 1;
    int sharing_ = 1;
    int rank_on_node_ = 0;
    int ranks_on_node_ = 1;
    std::deque<Pending> outbox_;  // a deque keeps addresses while messages are under way
};

/// MPI_Init without a launcher works, but costs time and may fail where no daemon may be started.
bool launched_by_mpi() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"}) {
        if (std::getenv(name) != nullptr) return true;
    }
    return false;
}

#endif

}  // namespace

std::unique_ptr<Comm> start_comm() {
#ifdef AELLE_HAVE_MPI
    if (launched_by_mpi()) return std::make_unique<MpiRanks>();
#endif
    return std::make_unique<SingleRank>();
}

std::string mpi_description() {
#ifdef AELLE_HAVE_MPI
    std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
    int length = 0;
    MPI_Get_library_version(text.data(), &length);  // allowed before MPI_Init
    std::string version(text.data(), static_cast<std::size_t>(length));
    return version.substr(0, version.find_first_of(",\n"));
#else
    return "not built in (configure with -DAELLE_MPI=ON)";
#endif
}

}  // namespace aelle::study
