// aelle train: one network. Its options, which of them suit a task, and dispatch.

#include "train.hpp"

#include <algorithm>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "commands.hpp"

namespace aelle::app {
namespace {

/// Options that only some tasks know.
struct TaskOptions {
    std::vector<const CLI::Option*> force, bptt;
};

void check_usage(const TrainOptions& options, const TaskOptions& specific) {
    const bool force = options.task == "signal";
    if (force != (options.cell == "rank1")) {
        throw UsageError("--task " + options.task + ": found cell " + options.cell + ", expected " + (force ? "rank1" : "any cell but rank1"));
    }
    for (const CLI::Option* option : force ? specific.bptt : specific.force) {
        if (option->count() == 0) continue;
        throw UsageError(option->get_name() + ": found with --task " + options.task + ", expected only with " + (force ? "smnist or charrnn" : "signal"));
    }
    if (force) {
        check_params(options.cell, options.params, {{"g", 1.5, 0.0, 1e6}});
        return;
    }
    check_params(std::string(cell_of(options).name), options.params);
    if (options.loss == "every" && options.task == "smnist") {
        throw UsageError("--loss: found every with --task smnist, expected last: an image has one class");
    }
    if (options.momentum > 0 && options.optimizer != "sgd") {
        throw UsageError("--momentum: found with --optimizer " + options.optimizer + ", expected only with sgd");
    }
    if (options.layer && options.init_weights.empty()) throw UsageError("--layer: found without --init-weights, expected with it");
    if (options.init && !options.init_weights.empty()) {
        throw UsageError("--init: found with --init-weights, expected one of the two: all tensors of the cell come from the file");
    }
}

void add_force_options(CLI::App& command, TrainOptions& options, std::vector<const CLI::Option*>& added) {
    const auto add = [&](const char* name, auto& value, const char* help) {
        CLI::Option* option = command.add_option(name, value, help)->group("--task signal (FORCE)");
        added.push_back(option);
        return option;
    };
    add("--steps", options.steps, "Training steps instead of whole epochs")->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
    add("--target", options.target, "random_4sine (drawn from the seed) or fixed")
        ->check(CLI::IsMember({"random_4sine", "fixed"}))
        ->capture_default_str();
    add("--steps-per-epoch", options.steps_per_epoch, "Steps in one period of the target")->check(CLI::Range(10, 10000000))->capture_default_str();
    add("--test-epochs", options.test_epochs, "Epochs of the test after each training epoch")->check(CLI::Range(1, 100000))->capture_default_str();
    add("--recurrent", options.recurrent, "How recurrent weights are drawn: gaussian, or r-force (eigenvalues on circles)")
        ->check(CLI::IsMember(std::vector<std::string>(learn::force_init_names.begin(), learn::force_init_names.end())))
        ->capture_default_str();
    add("--density", options.force.density, "Share of nonzero recurrent weights")->check(real_between(1e-6, 1.0))->capture_default_str();
    add("--alpha", options.force.alpha, "Ridge penalty: P starts as I / alpha")->check(real_between(1e-12, 1e12))->capture_default_str();
    add("--learn-every", options.force.learn_every, "Steps between weight updates")->check(CLI::Range(1, 1000000))->capture_default_str();
}

void add_bptt_options(CLI::App& command, TrainOptions& options, std::vector<const CLI::Option*>& added) {
    constexpr const char* group = "--task smnist, charrnn (backpropagation through time)";
    const auto add = [&](const char* name, auto& value, const char* help) {
        CLI::Option* option = command.add_option(name, value, help)->group(group);
        added.push_back(option);
        return option;
    };
    const auto count = CLI::Range(int64_t{1}, int64_t{1} << 40);
    added.push_back(command.add_flag("--gated", options.gated, "The gated form of the cell (asrnn)")->group(group));
    add("--layer", options.layer, "Layer of --init-weights to take, where it has several")->check(CLI::Range(0, 1000))->type_name("N");
    add("--batch", options.batch, "Sequences per update (default 128 for smnist, 32 for charrnn)")->check(count)->type_name("B");
    add("--optimizer", options.optimizer, "adam (0.9, 0.999, 1e-8) or sgd")->check(CLI::IsMember({"adam", "sgd"}))->capture_default_str();
    add("--lr", options.learning_rate, "Learning rate (default 0.01 for smnist, 0.002 for charrnn)")->check(real_between(0.0, 1e6))->type_name("L");
    add("--momentum", options.momentum, "Momentum of sgd")->check(real_between(0.0, 0.999999))->capture_default_str();
    add("--dropout", options.dropout, "Dropout between cell and readout (default 0.1)")->check(real_between(0.0, 0.999999))->type_name("P");
    add("--clip", options.clip, "Largest norm of the gradient; 0: no clipping")->check(real_between(0.0, 1e30))->capture_default_str();
    add("--loss", options.loss, "Predict at the last step or at every step (charrnn): last, every")
        ->check(CLI::IsMember({"every", "last"}))
        ->capture_default_str();
    add("--order", options.order, "shuffle: a new order every epoch; sequential: that of the file")
        ->check(CLI::IsMember({"shuffle", "sequential"}))
        ->capture_default_str();
    add("--limit-train", options.limit_train, "Train on the first N sequences only")->check(count)->type_name("N");
    add("--limit-validation", options.limit_validation, "Validate on the last N sequences (default 10,000 for smnist, the last 10 % for charrnn)")
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
        ->type_name("N");
}

}  // namespace

const cells::CellSpec& cell_of(const TrainOptions& options) {
    const cells::CellSpec& cell = cells::find_cell(options.cell);
    if (!options.gated || !cell.gated_form_of.empty()) return cell;
    for (const cells::CellSpec& other : cells::all_cells()) {
        if (other.gated_form_of == cell.name) return other;
    }
    throw UsageError("--gated: found cell " + options.cell + ", expected a cell that has a gated form");
}

void add_train(CLI::App& program, Action& action) {
    auto options = std::make_shared<TrainOptions>();
    auto specific = std::make_shared<TaskOptions>();
    CLI::App* command = program.add_subcommand("train", "Train one network and write its weights");
    command->add_option("--cell", options->cell, "Architecture (rank1 for signal, the others for smnist and charrnn)")
        ->required()
        ->check(CLI::IsMember(cell_names()))
        ->type_name("CELL");
    command->add_option("--task", options->task, "signal, smnist or charrnn")
        ->required()
        ->check(CLI::IsMember({"signal", "smnist", "charrnn"}))
        ->type_name("TASK");
    command->add_option("-o,--output", options->output, "HDF5 file to write")->required()->type_name("OUT");
    command->add_option("--hidden", options->hidden, "Hidden units (default 512 for signal, 64 otherwise, or those of --init-weights)")
        ->check(CLI::Range(1, 65536))
        ->type_name("H");
    command->add_option("--init-weights", options->init_weights,
                        "Weights to start from, HDF5 or .safetensors: the cell's tensors and perhaps fc.weight, fc.bias; for signal any of "
                        "weight_hh_l0, weight_fb, weight_out, x, z")
        ->type_name("W");
    command->add_option("--param", options->params, "A scalar of the cell, for example dt=0.1 (signal: dt or g), repeatable")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    command->add_option("--init", options->init,
                        "The varied initialisation parameter: g for signal, otherwise p of U(-p, p) as in a study (default: each architecture's own)")
        ->check(real_between(0.0, 1e6))
        ->type_name("P");
    command->add_option("--epochs", options->epochs, "Training epochs (default 15 for signal, 10 otherwise)")->check(CLI::Range(1, 1000000))->type_name("E");
    command->add_option("--seed", options->seed, "Seed; a variant's seed from study.h5 repeats that variant")
        ->check(CLI::Range(int64_t{0}, INT64_MAX))
        ->capture_default_str();
    add_bptt_options(*command, *options, specific->bptt);
    add_force_options(*command, *options, specific->force);
    add_common_options(*command, options->common);
    command->callback([options, specific, &action] {
        check_usage(*options, *specific);
        action = [options] {
            return run_command(options->common, [&](Session& session) {
                session.at_rank_0([&] {
                    check_output(options->output);
                    if (options->task == "signal") train_force(session, *options);
                    else train_bptt(session, *options);
                });
            });
        };
    });
}

}  // namespace aelle::app
