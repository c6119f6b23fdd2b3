#pragma once
/// What `aelle train` is asked for, and its two ways of training.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "aelle/learn/bptt.hpp"
#include "aelle/learn/force.hpp"
#include "session.hpp"

namespace aelle::app {

struct TrainOptions {
    CommonOptions common;
    std::string cell, task;
    std::filesystem::path output, init_weights;
    std::vector<std::string> params;
    std::optional<int64_t> hidden;
    std::optional<double> init;
    std::optional<int64_t> epochs;
    uint64_t seed = 1;

    // FORCE
    std::optional<int64_t> steps;
    int64_t steps_per_epoch = 1200;
    int64_t test_epochs = 1;
    std::string target = "random_4sine";
    std::string recurrent = "gaussian";
    learn::ForceOptions force;

    // Backpropagation through time; what is not given here is the task's default
    bool gated = false;
    std::optional<int64_t> layer, batch, limit_train, limit_validation;
    std::optional<double> learning_rate, dropout;
    std::string optimizer = "adam", loss = "last", order = "shuffle";
    double momentum = 0.0, clip = 0.0;
};

/// The cell asked for, in its gated form where that is asked for; UsageError when it has none.
const cells::CellSpec& cell_of(const TrainOptions& options);

void train_force(Session& session, TrainOptions& options);
void train_bptt(Session& session, const TrainOptions& options);

}  // namespace aelle::app
