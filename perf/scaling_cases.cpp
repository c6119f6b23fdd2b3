// What all cores gain over one. The opponent is the same work on one core, so `ratio` is the gain; beside it, what large products gain in the same
// rounds (columns dgemm_gain, sgemm_gain), which is all that this machine gives. Column MB_per_worker: peak resident memory of the largest
// process over its threads.

#include <fstream>

#include "aelle/base/error.hpp"
#include "cases.hpp"
#include "process.hpp"
#include "synthetic.hpp"

namespace aelle::perf {
namespace {

/// A study of few small LSTM networks, in which training and spectra cost about the same.
constexpr const char* study_head = R"([study]
name = "scaling"
task = "smnist"
seed = 1
[variants]
cells = ["lstm"]
hidden = [64]
init_values = [0.1, 0.2]
group_size = 1
)";
constexpr const char* study_rest = R"([data]
train = 2560
validation = 256
[training]
epochs = 2
[spectrum]
epochs = [0, 2]
sequences = 5
extended_up_to = 0
)";

constexpr int64_t images = 2816;

/// `aelle run` of the study, each unit into a fresh folder.
class StudyRuns final : public Side {
public:
    StudyRuns(std::string program, int networks, int ranks, int threads) : program_(std::move(program)), ranks_(ranks), threads_(threads) {
        write_synthetic_mnist(folder_.path(), images);
        std::ofstream(folder_.path() / "scaling.toml") << study_head << "count = " << networks << '\n' << study_rest;
    }

    Sample run(int64_t units) override {
        Sample sample;
        for (int64_t i = 0; i < units; ++i) {
            const Finished finished = run_once();
            sample.seconds += finished.seconds;
            peak_ = std::max(peak_, finished.peak_bytes);
        }
        sample.rate = static_cast<double>(units) / sample.seconds;
        return sample;
    }

    std::map<std::string, double> columns() const override { return {{"MB_per_worker", 1e-6 * peak_ / threads_}}; }

private:
    Finished run_once() {
        const std::string output = folder_.path() / "out";
        std::filesystem::remove_all(output);
        std::vector<std::string> command;
        if (ranks_ > 1) command = {"mpirun", "--oversubscribe", "--bind-to", "none", "-n", std::to_string(ranks_)};
        for (const std::string& word : {program_, std::string("run"), (folder_.path() / "scaling.toml").string(), std::string("--data"),
                                        folder_.path().string(), std::string("-o"), output, std::string("--until"), std::string("study"),
                                        std::string("--threads"), std::to_string(threads_), std::string("--quiet")})
            command.push_back(word);
        const Finished finished = run_command(command, {{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}});
        if (finished.status != 0)
            throw DataError(command.front() + ": ended with status " + std::to_string(finished.status) +
                            ", expected 0: " + finished.output);
        return finished;
    }

    TemporaryFolder folder_;
    std::string program_;
    int ranks_, threads_;
    double peak_ = 0.0;
};

Case study_case(const Plan& plan, const std::string& how, bool by_ranks) {
    const std::string program = plan.program;
    const int networks = plan.full ? 40 : 4;  // MPI's start takes as long as two
    Case made;
    made.name = "scaling/study/" + how;
    made.unit = "a study of " + std::to_string(networks) + " LSTM networks: 40 updates, spectra before and after";
    made.side = [=](int threads) { return std::make_unique<StudyRuns>(program, networks, by_ranks ? threads : 1, by_ranks ? 1 : threads); };
    made.rival = Rival{"one thread", [=](int) { return std::make_unique<StudyRuns>(program, networks, 1, 1); }};
    made.scaling = true;
    return made;
}

/// The same worker as another case, on all cores against one.
Case gain_of(const Case& other) {
    Case made;
    made.name = "scaling/" + other.name;
    made.parameters = other.parameters;
    made.unit = other.unit;
    made.side = other.side;
    made.rival = Rival{"one core", [side = other.side](int) { return side(1); }};
    made.scaling = true;
    return made;
}

}  // namespace

void add_scaling_cases(const Plan& plan, std::vector<Case>& cases) {
    if (plan.threads == 1) return;
    std::vector<Case> gains;
    for (const Case& each : cases) {
        const bool wanted = each.name == "training/smnist/lstm/64" || each.name == "spectra/lstm/hidden/64/every" ||
                            each.name == "force/network/512" ||
                            (plan.full && (each.name == "training/charrnn/lstm/512" || each.name == "spectra/lstm/hidden/512/every"));
        if (wanted) gains.push_back(gain_of(each));
    }
    cases.insert(cases.end(), gains.begin(), gains.end());
    if (plan.program.empty()) return;
    cases.push_back(study_case(plan, "threads", false));
    if (!answer_of({"mpirun", "--version"}).empty()) cases.push_back(study_case(plan, "ranks", true));
}

}  // namespace aelle::perf
